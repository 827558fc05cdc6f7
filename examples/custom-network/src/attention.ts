import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { Linear } from './linear';

/** Multi-head self-attention over the tokens (Vaswani et al. 2017): softmax(q kᵀ / √d) v in each head. [n, tokens, dim] → the same. */
export class Attention {
  readonly qkv: Linear;
  readonly out: Linear;
  readonly heads: number;

  constructor(dim: number, heads: number, rng: Random) {
    this.qkv = new Linear(dim, 3 * dim, rng);
    this.out = new Linear(dim, dim, rng);
    this.heads = heads;
  }

  apply(x: tf.Tensor3D): tf.Tensor3D {
    const [n, tokens, dim] = x.shape;
    const d = dim / this.heads;
    const [q, k, v] = tf
      .split(this.qkv.apply(x), 3, 2)
      .map((part) => tf.transpose(tf.reshape(part, [n, tokens, this.heads, d]), [0, 2, 1, 3]));
    const weights = tf.softmax(tf.matMul(tf.mul(q, 1 / Math.sqrt(d)), k, false, true)); // [n, heads, tokens, tokens]
    const mixed = tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]); // [n, tokens, heads, d]
    return this.out.apply(tf.reshape(mixed, [n, tokens, dim]));
  }
}
