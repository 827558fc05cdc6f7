import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import type { Evaluation, NoiseSource } from './sampler';

/** Σ coefficient·tensor, without the terms whose coefficient is 0; [n, h, w, c]. */
export function combine(...terms: readonly (readonly [coefficient: number, tensor: tf.Tensor4D])[]): tf.Tensor4D {
  const parts = terms
    .filter(([coefficient]) => coefficient !== 0)
    .map(([coefficient, tensor]) => tf.mul<tf.Tensor4D>(tensor, coefficient));
  return parts.length > 0 ? parts.reduce((sum, part) => tf.add(sum, part)) : tf.zerosLike(terms[0][1]);
}

/** z ~ N(0, I), shaped like x. */
export const freshNoise = (x: tf.Tensor4D, rng: NoiseSource): tf.Tensor4D =>
  rng.tensor?.(x.shape) ?? tf.tensor4d(rng.normals(x.size), x.shape);

/** ε̂ = (x − signal·x̂_0)/sigma: the noise that x holds, if x̂_0 is the image. */
export const noiseIn = ({ x, x0, level }: Evaluation): tf.Tensor4D =>
  tf.div(tf.sub(x, tf.mul(x0, level.signal)), level.sigma);

/** λ = log(signal/sigma), half the logarithm of the signal-to-noise ratio (Lu et al. 2022); infinite at the image. */
export const lambda = ({ signal, sigma }: Level): number => Math.log(signal / sigma);
