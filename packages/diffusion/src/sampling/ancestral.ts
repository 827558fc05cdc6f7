import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { qPosterior } from '../levels/posterior';
import { freshNoise } from './arithmetic';
import type { Sampler } from './sampler';
import type { FixedVariance } from './step-variance';
import { stepVariance } from './step-variance';

/**
 * Ancestral sampling (Ho et al. 2020, Algorithm 2): a draw from q(x_s | x_t, x̂_0) at each step: its mean **plus** its
 * deviation times z, and at the last step the mean alone. (The tutorial's own code multiplies the mean by the noise
 * there, which turns every sample into the same image.)
 * @param levels from noise to image, such as `trailing(schedule)`, which is every timestep
 * @param options.variance of the draw: by default what the network has learned, or else β̃. `'lower'` is β̃ and
 * `'upper'` β, whatever the network says
 */
export function ancestral(levels: readonly Level[], { variance: fixed }: { variance?: FixedVariance } = {}): Sampler {
  return {
    levels,
    step(index, [{ x, x0, level, variance: learned }], rng) {
      const next = levels[index + 1];
      const { fromStart, fromX } = qPosterior(level, next);
      const mean = tf.add<tf.Tensor4D>(tf.mul(x0, fromStart), tf.mul(x, fromX));
      if (next.sigma === 0) return mean;
      const variance = stepVariance(levels, index, fixed ?? learned ?? 'lower');
      return tf.add(mean, tf.mul(freshNoise(x, rng), tf.sqrt(variance)));
    },
  };
}
