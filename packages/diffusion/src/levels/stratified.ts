import type { NoiseSchedule } from '@ddpm/schedules';
import { levelAt } from './level';
import type { LevelSource } from './source';

/**
 * t as from `uniform`, but one of n in each of n equal parts of the schedule, so that a batch's loss varies less from
 * step to step (as in Kingma et al. 2021, appendix I.1, with a draw of its own in each part). Which image has which
 * part is drawn too, so that each t is uniform by itself.
 */
export function stratified(schedule: NoiseSchedule): LevelSource {
  const { timesteps } = schedule;
  return {
    draw(n, rng) {
      // Rounding may take the last part's end for T.
      const ts = Int32Array.from({ length: n }, (_, i) =>
        Math.min(Math.floor(((i + rng.uniform()) / n) * timesteps), timesteps - 1),
      );
      return Array.from(rng.shuffle(ts), (t) => ({ level: levelAt(schedule, t), index: t }));
    },
  };
}
