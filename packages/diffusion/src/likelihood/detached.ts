import * as tf from '@tensorflow/tfjs-core';

/** x as a constant: no gradient passes through it to what x is made of. */
export const detached = (x: tf.Tensor4D): tf.Tensor4D =>
  tf.customGrad((input) => ({ value: tf.clone(input as tf.Tensor), gradFunc: (dy) => tf.zerosLike(dy) }))(
    x,
  ) as tf.Tensor4D;
