import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { logVariances, qPosterior } from '../levels/posterior';
import type { LearnedVariance } from '../parameterisations/parameterisation';

/**
 * A variance that no network has learned (Ho et al. 2020, §3.2): `'lower'`, β̃, which is right if all images are one, or
 * `'upper'`, β, which is right if they are N(0, I).
 */
export type FixedVariance = 'lower' | 'upper';

/**
 * σ² of a step of a chain: a number where it is fixed, otherwise a new tensor [n, h, w, c]. At the last step, to the
 * image, β̃ is 0, but where it is an end of a range, or in β's place, that of the step before.
 * @param levels from noise to image
 * @param index of the step, which goes from levels[index] to levels[index + 1]
 */
export function stepVariance(
  levels: readonly Level[],
  index: number,
  variance: LearnedVariance | FixedVariance,
): number | tf.Tensor4D {
  if (variance === 'lower') return qPosterior(levels[index], levels[index + 1]).variance;
  const { lower, upper } = logVariances(levels, index);
  if (variance === 'upper') return Math.exp(levels[index + 1].sigma > 0 ? upper : lower);
  if ('log' in variance) return tf.exp(variance.log);
  const { fraction } = variance;
  return tf.tidy(() => tf.exp(tf.add(tf.mul(fraction, upper - lower), lower)));
}
