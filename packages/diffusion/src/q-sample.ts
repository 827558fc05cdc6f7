import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';
import { noiseLevel } from './noise-level';

/** x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (Ho et al. 2020, eq. 4). x_0, ε: [n, h, w, c]; t: [n] int32. */
export function qSample(schedule: NoiseSchedule, xStart: tf.Tensor4D, t: tf.Tensor1D, noise: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => {
    const { signal, sigma } = noiseLevel(schedule, t);
    return tf.add(tf.mul(signal, xStart), tf.mul(sigma, noise));
  });
}
