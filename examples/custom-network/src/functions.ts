import * as tf from '@tensorflow/tfjs-core';

/** x·σ(x). */
export const silu = <T extends tf.Tensor>(x: T): T => tf.mul(x, tf.sigmoid(x));

/** GELU with the tanh approximation: x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))) = x·σ(2√(2/π) (x + 0.044715 x³)). */
export const gelu = <T extends tf.Tensor>(x: T): T => {
  const inner = tf.mul(x, tf.add(tf.mul(tf.square(x), 2 * Math.sqrt(2 / Math.PI) * 0.044715), 2 * Math.sqrt(2 / Math.PI)));
  return tf.mul(x, tf.sigmoid(inner));
};

/** Each token with mean 0 and variance 1, without a scale and shift of its own: those come from `modulate`. x: [n, tokens, dim]. */
export function layerNorm(x: tf.Tensor3D, eps = 1e-6): tf.Tensor3D {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.mul(centred, tf.rsqrt(tf.add(variance, eps)));
}

/** x (1 + scale) + shift, the same for all tokens of an image. x: [n, tokens, dim]; shift, scale: [n, 1, dim]. */
export const modulate = (x: tf.Tensor3D, shift: tf.Tensor3D, scale: tf.Tensor3D): tf.Tensor3D => tf.add(tf.mul(x, tf.add(scale, 1)), shift);
