import * as tf from '@tensorflow/tfjs-core';
import type { NoiseLevel } from './noise-level';

/** What the network's output means: what it is trained towards, and how x_0 is read from it. All images [n, h, w, c]. */
export interface Objective {
  /** What the output is compared with in training. */
  target(level: NoiseLevel, xStart: tf.Tensor4D, noise: tf.Tensor4D): tf.Tensor4D;
  /** x̂_0, the image that the output speaks of. */
  predictXStart(level: NoiseLevel, xt: tf.Tensor4D, output: tf.Tensor4D): tf.Tensor4D;
}

/** The network predicts the noise ε (Ho et al. 2020, §3.2): x̂_0 = (x_t − σ ε̂)/√ᾱ. */
export const epsilon: Objective = {
  target: (_level, _xStart, noise) => noise,
  predictXStart: ({ signal, sigma }, xt, output) => tf.tidy(() => tf.div(tf.sub(xt, tf.mul(sigma, output)), signal)),
};

/** The network predicts the image x_0. */
export const xStart: Objective = {
  target: (_level, image) => image,
  predictXStart: (_level, _xt, output) => tf.clone(output),
};

/** The network predicts v = √ᾱ ε − σ x_0 (Salimans & Ho 2022, §4): x̂_0 = √ᾱ x_t − σ v̂. */
export const velocity: Objective = {
  target: ({ signal, sigma }, image, noise) => tf.tidy(() => tf.sub(tf.mul(signal, noise), tf.mul(sigma, image))),
  predictXStart: ({ signal, sigma }, xt, output) => tf.tidy(() => tf.sub(tf.mul(signal, xt), tf.mul(sigma, output))),
};
