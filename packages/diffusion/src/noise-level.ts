import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';

/** The two coefficients of x_t = signal·x_0 + sigma·ε for each image of a batch, each [n, 1, 1, 1]: √ᾱ_t and √(1 − ᾱ_t). */
export interface NoiseLevel {
  /** √ᾱ_t. */
  readonly signal: tf.Tensor4D;
  /** √(1 − ᾱ_t). */
  readonly sigma: tf.Tensor4D;
}

/** The values of a schedule's array at each t, ready to multiply images. values: T numbers, t: [n] int32 → [n, 1, 1, 1]. */
export function extract(values: Float64Array, t: tf.Tensor1D): tf.Tensor4D {
  return tf.tidy(() => tf.reshape(tf.gather(tf.tensor1d(Float32Array.from(values)), t), [-1, 1, 1, 1]));
}

/**
 * The noise level at each t. t: [n] int32.
 * @param schedule any; its ᾱ_t are read
 */
export function noiseLevel({ sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod }: NoiseSchedule, t: tf.Tensor1D): NoiseLevel {
  return { signal: extract(sqrtAlphasCumprod, t), sigma: extract(sqrtOneMinusAlphasCumprod, t) };
}
