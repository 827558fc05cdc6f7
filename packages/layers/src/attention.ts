import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { attend, joinHeads, splitHeads } from './attend';
import { checkImages, checkSizes } from './check';
import { Conv2d } from './conv2d';

/** Sizes and initial weights of `Attention` and `LinearAttention`. */
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

/**
 * Multi-head self-attention over all positions of images (Vaswani et al. 2017), quadratic in h·w; q, k and v as one
 * convolution.
 */
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
    checkImages('Attention', x, this.toQkv.weight.shape[2]!);
    return tf.tidy(() => {
      const [n, h, w] = x.shape;
      const features = this.heads * this.dimHead;
      const qkv = tf.reshape(this.toQkv.apply(x), [n, h * w, 3 * features]);
      const [q, k, v] = tf.split<tf.Tensor3D>(qkv, 3, 2).map((part) => splitHeads(part, this.heads));
      return this.toOut.apply(tf.reshape(joinHeads(attend(q, k, v)), [n, h, w, features]));
    });
  }
}
