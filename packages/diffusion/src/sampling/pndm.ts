import type * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { combine, noiseIn } from './arithmetic';
import { checkWhole } from './check';
import { fromNoise } from './from-noise';
import type { Sampler } from './sampler';

/** Adams–Bashforth: how much of each ε̂, the newest first, where so many are known. */
const weights = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]];

/**
 * PNDM with linear multistep (PLMS; Liu et al. 2022, begun as in latent diffusion): the step of `ddim` along a mean of
 * the last four ε̂.
 * The first step is taken twice, the second time along the mean of the ε̂ at both its ends, so that `levels` names its
 * end twice.
 * @param levels from noise to image in even strides of t, such as `leading(schedule, 50)`
 * @throws RangeError, when it is asked, if sampling begins in the middle of the first step
 */
export const pndm = fromNoise((levels: readonly Level[]): Sampler => {
  const [first, second, ...rest] = levels;
  // To the image in one step, there is nothing to take twice.
  const visited = second.sigma === 0 ? levels : [first, second, second, ...rest];
  return {
    levels: visited,
    memory: 5,
    step(index, evaluations) {
      const next = visited[index + 1];
      if (index === 1) {
        const before = checkWhole('pndm', evaluations);
        return transfer(before, visited[2], combine([0.5, noiseIn(evaluations[0])], [0.5, noiseIn(before)]));
      }
      // The evaluation at the end of the first try does not count.
      const history = evaluations.filter((_, i) => index - i !== 1).slice(0, 4);
      return transfer(
        evaluations[0],
        next,
        combine(...history.map((past, i) => [weights[history.length - 1][i], noiseIn(past)] as const)),
      );
    },
  };
});

/** x at a level, if the noise is ε̂ all the way. */
function transfer({ x, level }: { x: tf.Tensor4D; level: Level }, next: Level, noise: tf.Tensor4D): tf.Tensor4D {
  const ratio = next.signal / level.signal;
  return combine([ratio, x], [next.sigma - ratio * level.sigma, noise]);
}
