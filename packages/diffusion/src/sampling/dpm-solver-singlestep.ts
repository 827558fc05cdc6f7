import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { combine, lambda } from './arithmetic';
import { checkWhole } from './check';
import { fromNoise } from './from-noise';
import type { Sampler } from './sampler';

/**
 * DPM-Solver++(2S), singlestep (Lu et al. 2022, "DPM-Solver++", Algorithm 1): from every second level straight to the
 * next but one; the level between them is where the slope of x̂_0 is taken. To the image it goes from the last level,
 * at order 1.
 * @param levels from noise to image; one step for each pair of them
 */
export const dpmSolverSinglestep = fromNoise((levels: readonly Level[]): Sampler => {
  return {
    levels,
    memory: 2,
    step(index, evaluations) {
      const next = levels[index + 1];
      const [{ x0 }] = evaluations;
      if (next.sigma === 0) return tf.clone(x0);
      // An even one: to the level in between.
      if (index % 2 === 0) return jump(evaluations[0], next, x0);
      const start = checkWhole('dpmSolverSinglestep', evaluations);
      const r = (lambda(levels[index]) - lambda(start.level)) / (lambda(next) - lambda(start.level));
      return jump(start, next, combine([1, start.x0], [1 / (2 * r), tf.sub(x0, start.x0)]));
    },
  };
});

/** x at a level, if the image is x0 all the way. */
function jump({ x, level }: { x: tf.Tensor4D; level: Level }, next: Level, x0: tf.Tensor4D): tf.Tensor4D {
  return combine([next.sigma / level.sigma, x], [-next.signal * Math.expm1(lambda(level) - lambda(next)), x0]);
}
