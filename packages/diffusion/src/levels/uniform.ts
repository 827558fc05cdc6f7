import type { NoiseSchedule } from '@ddpm/schedules';
import { levelAt } from './level';
import type { LevelSource } from './source';

/** t ~ U{0 … T − 1} (Ho et al. 2020, Algorithm 1, line 3). */
export function uniform(schedule: NoiseSchedule): LevelSource {
  return {
    draw: (n, rng) =>
      Array.from(rng.integers(n, schedule.timesteps), (t) => ({ level: levelAt(schedule, t), index: t })),
  };
}
