import * as tf from '@tensorflow/tfjs-core';

/**
 * Scaled dot-product attention (Vaswani et al. 2017, eq. 1): softmax(q kᵀ / √d + mask) v. All are [n, heads, positions,
 * d]; the mask broadcasts to [n, heads, queries, keys].
 */
export function attend(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, mask?: tf.Tensor): tf.Tensor4D {
  const scores = tf.matMul(tf.mul(q, q.shape[3] ** -0.5), k, false, true); // [n, heads, queries, keys]
  return tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores), v);
}

/** [n, positions, heads·d] → [n, heads, positions, d]. */
export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [n, positions, features] = x.shape;
  return tf.transpose(tf.reshape(x, [n, positions, heads, features / heads]), [0, 2, 1, 3]);
}

/** The inverse of `splitHeads`. */
export function joinHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [n, heads, positions, d] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [n, positions, heads * d]);
}
