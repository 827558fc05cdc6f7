import type { NoiseSchedule } from '@ddpm/schedules';
import { levelAt } from './level';
import type { LevelSource } from './source';

/**
 * p_t ∝ √E[L_t²], E over the last losses at each t, and weights that keep the expected loss what it is where t is
 * uniform (Nichol & Dhariwal 2021, §3.3): levels whose losses are large, and vary, are drawn more often. Until every t
 * has as many losses as are remembered, t is uniform.
 * @param options.history how many losses each t remembers; 10 by default
 * @param options.uniform the share of uniform draws, so that no t is forgotten; 0.001 by default
 * @throws RangeError unless history is a whole number of at least 1, and uniform from 0 to 1
 */
export function importance(schedule: NoiseSchedule, { history = 10, uniform = 0.001 } = {}): LevelSource {
  if (!Number.isInteger(history) || history < 1)
    throw new RangeError(`importance: history must be a whole number of at least 1, got ${history}`);
  if (!(uniform >= 0 && uniform <= 1))
    throw new RangeError(`importance: uniform must be a share from 0 to 1, got ${uniform}`);
  const { timesteps } = schedule;
  /** The last losses at each t, the oldest first; [timesteps, history]. */
  const losses = new Float64Array(timesteps * history);
  const counts = new Int32Array(timesteps);
  const at = (t: number) => losses.subarray(t * history, (t + 1) * history);

  const probabilities = (): Float64Array => {
    const roots = Float64Array.from({ length: timesteps }, (_, t) =>
      Math.sqrt(at(t).reduce((sum, loss) => sum + loss ** 2, 0) / history),
    );
    const total = roots.reduce((sum, root) => sum + root, 0);
    if (total === 0 || counts.some((count) => count < history)) return roots.fill(1 / timesteps);
    return roots.map((root) => ((1 - uniform) * root) / total + uniform / timesteps);
  };

  return {
    draw(n, rng) {
      const p = probabilities();
      let sum = 0;
      const upTo = p.map((share) => (sum += share));
      return Array.from({ length: n }, () => {
        const place = rng.uniform() * sum;
        const index = upTo.findIndex((bound) => place < bound);
        return { level: levelAt(schedule, index), index, weight: 1 / (timesteps * p[index]) };
      });
    },
    observe(indices, given) {
      indices.forEach((t, i) => {
        const own = at(t);
        if (counts[t] === history) own.copyWithin(0, 1);
        else counts[t]++;
        own[counts[t] - 1] = given[i];
      });
    },
    state: () =>
      new Map<string, Float64Array | Int32Array>([
        ['losses', losses.slice()],
        ['counts', counts.slice()],
      ]),
    restore(state) {
      losses.set(state.get('losses')!);
      counts.set(state.get('counts')!);
    },
  };
}
