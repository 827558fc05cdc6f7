import type { Level } from '../levels/level';
import { checkWhole } from './check';
import { combine, noiseIn } from './arithmetic';
import type { Churn } from './churn';
import { churned, raise } from './churn';
import { ddim } from './ddim';
import { fromNoise } from './from-noise';
import type { Sampler } from './sampler';

/**
 * Heun's method with churn, EDM's sampler (Karras et al. 2022, Algorithm 2): a step of Euler's method, an evaluation at
 * its end, and the same step along the mean of both slopes. So it asks twice at each step but the last, and its
 * `levels` name each end twice, as Euler's step reaches it and churned; the first is churned already: sampling begins
 * with noise there.
 * @param levels from noise to image, such as `karras(edmScale(), 18)`
 * @param options.churn noise to add before each step; none by default
 * @throws RangeError, when it is asked, if sampling begins in the middle of a step
 */
export const heun = fromNoise((levels: readonly Level[], { churn }: { churn?: Churn } = {}): Sampler => {
  const starts = churned(levels, churn);
  return {
    levels: [starts[0], ...starts.slice(1).flatMap((start, i) => [levels[i + 1], start]), levels[levels.length - 1]],
    memory: 2,
    step(index, evaluations, rng) {
      const half = index % 2;
      const end = Math.floor(index / 2) + 1;
      if (half === 0) return ddim([evaluations[0].level, levels[end]]).step(0, [evaluations[0]], rng);
      const start = checkWhole('heun', evaluations);
      const mean = combine([0.5, noiseIn(start)], [0.5, noiseIn(evaluations[0])]);
      const way = levels[end].sigma / levels[end].signal - start.level.sigma / start.level.signal;
      const x = combine([levels[end].signal / start.level.signal, start.x], [levels[end].signal * way, mean]);
      return raise(x, levels[end], starts[end], churn, rng);
    },
  };
});
