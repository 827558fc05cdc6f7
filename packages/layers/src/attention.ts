import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkSizes } from './check';
import { Conv2d } from './conv2d';

/** What `Attention` and `LinearAttention` are made from. */
export interface AttentionOptions {
  /** Channels in and out. */
  dim: number;
  /** How many heads; 4 by default. */
  heads?: number;
  /** Features of each head; 32 by default. */
  dimHead?: number;
  /** Draws the initial weights. */
  rng: Random;
}

/** Splits [n, h, w, 3·heads·dimHead] into q, k and v, each [n, h·w, heads, dimHead]. */
export function splitHeads(qkv: tf.Tensor4D, heads: number): tf.Tensor4D[] {
  const [n, h, w, channels] = qkv.shape;
  return tf.split(qkv, 3, 3).map((part) => tf.reshape(part, [n, h * w, heads, channels / 3 / heads]));
}

/** Multi-head self-attention over all positions (Vaswani et al. 2017): softmax(q kᵀ / √dimHead) v, quadratic in h·w. */
export class Attention {
  /** 1×1, without bias, to q, k and v. */
  readonly toQkv: Conv2d;
  /** 1×1, from the heads' features back to dim. */
  readonly toOut: Conv2d;
  readonly heads: number;
  readonly dimHead: number;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ dim, heads = 4, dimHead = 32, rng }: AttentionOptions) {
    checkSizes('Attention', { dim, heads, dimHead });
    this.toQkv = new Conv2d({ inChannels: dim, outChannels: 3 * heads * dimHead, kernelSize: 1, bias: false, rng });
    this.toOut = new Conv2d({ inChannels: heads * dimHead, outChannels: dim, kernelSize: 1, rng });
    this.heads = heads;
    this.dimHead = dimHead;
  }

  /**
   * x: [n, h, w, dim] → [n, h, w, dim].
   * @throws RangeError if x is of another shape.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w] = x.shape;
      const [q, k, v] = splitHeads(this.toQkv.apply(x), this.heads).map((part) => tf.transpose(part, [0, 2, 1, 3]));
      const similarity = tf.matMul(tf.mul(q, this.dimHead ** -0.5), k, false, true); // [n, heads, h·w (queries), h·w (keys)]
      const out = tf.matMul(tf.softmax(similarity), v); // [n, heads, h·w, dimHead]
      return this.toOut.apply(tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [n, h, w, this.heads * this.dimHead]));
    });
  }
}
