import * as tf from '@tensorflow/tfjs-core';

/** Scores of more heads than one at a time are as many at most: 256 MB. */
const MOST_SCORES = 2 ** 26;

/**
 * Scaled dot-product attention (Vaswani et al. 2017, eq. 1): softmax(q kᵀ / √d + mask) v. All are [n, heads, positions,
 * d]; the mask broadcasts to [n, heads, queries, keys]. Without one, heads follow each other where all of their scores
 * would take more than 256 MB.
 */
export function attend(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, mask?: tf.Tensor): tf.Tensor4D {
  const [n, heads, queries] = q.shape;
  if (!mask && heads > 1 && n * heads * queries * k.shape[2] > MOST_SCORES) return attendByHeads(q, k, v);
  const scores = tf.matMul(tf.mul(q, q.shape[3] ** -0.5), k, false, true); // [n, heads, queries, keys]
  return tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores), v);
}

/** The same, one head after the other. */
export function attendByHeads(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  const [queries, keys, values] = [q, k, v].map((part) => tf.split<tf.Tensor4D>(part, q.shape[1], 1));
  return tf.concat(
    queries.map((one, head) => attend(one, keys[head], values[head])),
    1,
  );
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
