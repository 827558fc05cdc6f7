import type { Level } from '../levels/level';
import type { Churn } from './churn';
import { churned, raise } from './churn';
import { ddim } from './ddim';
import { fromNoise } from './from-noise';
import type { Sampler } from './sampler';

/**
 * Euler's method on the probability-flow equation (Karras et al. 2022, Algorithm 2 without the correction). Without
 * churn it is `ddim`.
 * The first of its `levels` is churned already: sampling begins with noise there.
 * @param levels from noise to image, such as `karras(edmScale(), 50)`
 * @param options.churn noise to add before each step; none by default
 */
export const euler = fromNoise((levels: readonly Level[], { churn }: { churn?: Churn } = {}): Sampler => {
  const starts = churned(levels, churn);
  return {
    levels: [...starts, levels[levels.length - 1]],
    step(index, [evaluation], rng) {
      const x = ddim([evaluation.level, levels[index + 1]]).step(0, [evaluation], rng);
      return index + 1 < starts.length ? raise(x, levels[index + 1], starts[index + 1], churn, rng) : x;
    },
  };
});
