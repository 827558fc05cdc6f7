import * as tf from '@tensorflow/tfjs-core';
import { checkShape, checkSizes } from './check';

// Large enough that exp() of it is 0, and finite, so that a query whose keys are all masked gives no NaN.
const MASKED = -1e9;

/**
 * A mask for `MultiHeadAttention` by which no position sees a later one: [length, length], 0 or −10⁹. Masks are added
 * together.
 * @throws RangeError unless length is a whole number of at least 1.
 */
export function causalMask(length: number): tf.Tensor2D {
  checkSizes('causalMask', { length });
  const values = Float32Array.from({ length: length * length }, (_, i) =>
    i % length > Math.floor(i / length) ? MASKED : 0,
  );
  return tf.tensor2d(values, [length, length]);
}

/**
 * A mask for `MultiHeadAttention` by which nothing sees padding: [n, 1, 1, keys], 0 or −10⁹. Masks are added together.
 * @param present [n, keys], 1 for what is there and 0 for padding
 * @throws RangeError if it is of another rank.
 */
export function paddingMask(present: tf.Tensor2D): tf.Tensor4D {
  checkShape('paddingMask', present, ['n', 'keys']);
  return tf.tidy(() => {
    const masked = tf.mul(tf.sub(tf.cast(present, 'float32'), 1), -MASKED);
    return tf.reshape(masked, [present.shape[0], 1, 1, present.shape[1]]);
  });
}
