import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { freshNoise } from './arithmetic';
import type { Sampler } from './sampler';

/**
 * q(x_s | x_t, x_0) = N(fromStart·x_0 + fromX·x_t, variance), from the level t to a less noisy one s (Ho et al. 2020,
 * eq. 7, for any two levels; between neighbours of a schedule the variance is β̃_t).
 */
export function qPosterior(
  t: Level,
  s: Level,
): { readonly fromStart: number; readonly fromX: number; readonly variance: number } {
  const ratio = t.signal / s.signal;
  // The noise that the way from s to t adds: β_t.
  const added = t.sigma ** 2 - (ratio * s.sigma) ** 2;
  return {
    fromStart: (s.signal * added) / t.sigma ** 2,
    fromX: (ratio * s.sigma ** 2) / t.sigma ** 2,
    variance: (added * s.sigma ** 2) / t.sigma ** 2,
  };
}

/**
 * Ancestral sampling (Ho et al. 2020, Algorithm 2): a draw from q(x_s | x_t, x̂_0) at each step: its mean **plus** its
 * deviation times z, and at the last step the mean alone. (The tutorial's own code multiplies the mean by the noise
 * there, which turns every sample into the same image.)
 * @param levels from noise to image, such as `trailing(schedule)`, which is every timestep
 * @param options.variance of the draw: 'lower', the default, is β̃, which is right if all images are one, and 'upper'
 * is β, which is right if they are N(0, I) (§3.2 there)
 */
export function ancestral(
  levels: readonly Level[],
  { variance: bound = 'lower' }: { variance?: 'lower' | 'upper' } = {},
): Sampler {
  return {
    levels,
    step(index, [{ x, x0, level }], rng) {
      const next = levels[index + 1];
      const { fromStart, fromX, variance } = qPosterior(level, next);
      const mean = tf.add<tf.Tensor4D>(tf.mul(x0, fromStart), tf.mul(x, fromX));
      if (variance === 0) return mean;
      // β̃ = β sigma_s²/sigma_t².
      const deviation = bound === 'lower' ? Math.sqrt(variance) : (Math.sqrt(variance) * level.sigma) / next.sigma;
      return tf.add(mean, tf.mul(freshNoise(x, rng), deviation));
    },
  };
}
