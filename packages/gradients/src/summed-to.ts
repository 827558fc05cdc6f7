import * as tf from '@tensorflow/tfjs-core';

/** The gradient of what was repeated from `shape` to x's: the sum over the repetitions. */
export function summedTo(x: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, x.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(x, axes) : x, shape);
}
