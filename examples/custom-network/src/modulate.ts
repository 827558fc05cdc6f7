import * as tf from '@tensorflow/tfjs-core';

/** Cuts what a condition says into so many parts, each for all tokens: [n, count·dim] → parts of [n, 1, dim]. */
export const parts = (modulation: tf.Tensor2D, count: number): tf.Tensor3D[] =>
  tf.split(tf.expandDims(modulation, 1), count, 2);

/** x (1 + scale) + shift, the same for all tokens of an image. x: [n, tokens, dim]; shift, scale: [n, 1, dim]. */
export const modulate = (x: tf.Tensor3D, shift: tf.Tensor3D, scale: tf.Tensor3D): tf.Tensor3D =>
  tf.add(tf.mul(x, tf.add(scale, 1)), shift);
