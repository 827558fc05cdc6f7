import * as tf from '@tensorflow/tfjs-core';
import type { Linear } from './linear';

/** What a block adds to its feature maps for the noise level: Linear(activation(timeEmb)), [n, timeEmbDim] → [n, 1, 1, channels]. */
export function timeProjection(mlp: Linear, activation: (x: tf.Tensor2D) => tf.Tensor2D, timeEmb: tf.Tensor2D): tf.Tensor4D {
  const projected = mlp.apply(activation(timeEmb));
  return tf.reshape(projected, [projected.shape[0], 1, 1, projected.shape[1]]);
}
