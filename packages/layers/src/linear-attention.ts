import * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions } from './attention';
import { checkImages, checkSizes } from './check';
import { Conv2d } from './conv2d';
import { GroupNorm } from './group-norm';

/**
 * Attention whose cost is linear in h·w (Shen et al. 2018, "Efficient Attention"): q is normalised over its features, k
 * over the positions, and q reads from the context kᵀ v, which is dimHead × dimHead.
 *
 * Products are taken in the order that needs least: with v = x W_v, kᵀ v = (kᵀ x) W_v, and q (kᵀ v) W_out = q (kᵀ v
 * W_out), so that neither v nor what the heads read is ever written out for all positions.
 */
export class LinearAttention {
  /** 1×1, without bias, to q, k and v. */
  readonly toQkv: Conv2d;
  /** 1×1, from the heads' features back to dim. */
  readonly outConv: Conv2d;
  readonly outNorm: GroupNorm;
  readonly heads: number;
  readonly dimHead: number;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ dim, heads = 4, dimHead = 32, rng }: AttentionOptions) {
    checkSizes('LinearAttention', { dim, heads, dimHead });
    this.toQkv = new Conv2d({ inChannels: dim, outChannels: 3 * heads * dimHead, kernelSize: 1, bias: false, rng });
    this.outConv = new Conv2d({ inChannels: heads * dimHead, outChannels: dim, kernelSize: 1, rng });
    this.outNorm = new GroupNorm({ groups: 1, channels: dim });
    this.heads = heads;
    this.dimHead = dimHead;
  }

  /**
   * x: [n, h, w, dim] → [n, h, w, dim].
   * @throws RangeError if x is of another shape.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    const { heads, dimHead } = this;
    const dim = this.toQkv.weight.shape[2]!;
    checkImages('LinearAttention', x, dim);
    return tf.tidy(() => {
      const [n, h, w] = x.shape;
      const positions = h * w;
      const features = heads * dimHead;
      const flat = tf.reshape(x, [n * positions, dim]);
      const [weightQ, weightK, weightV] = tf.split(tf.reshape(this.toQkv.weight, [dim, 3 * features]), 3, 1);
      const q = tf.softmax(tf.reshape(tf.matMul(flat, weightQ), [n, positions, heads, dimHead]));
      const k = tf.transpose(tf.reshape(tf.matMul(flat, weightK), [n, positions, heads, dimHead]), [0, 2, 3, 1]);
      const keys = tf.reshape(tf.softmax(k), [n, features, positions]);

      // Each head's own weights: [heads, dim, dimHead] and [heads, dimHead, dim].
      const toV = tf.transpose(tf.reshape(weightV, [dim, heads, dimHead]), [1, 0, 2]);
      const toOut = tf.reshape(this.outConv.weight, [heads, dimHead, dim]);
      const byHead = tf.transpose(
        tf.reshape(tf.matMul(keys, tf.reshape(x, [n, positions, dim])), [n, heads, dimHead, dim]),
        [1, 0, 2, 3],
      );
      const context = tf.matMul(tf.reshape(byHead, [heads, n * dimHead, dim]), toV); // kᵀ v: [heads, n·dimHead, dimHead]
      const readout = tf.mul(tf.matMul(context, toOut), dimHead ** -0.5); // [heads, n·dimHead, dim]
      const readouts = tf.reshape(tf.transpose(tf.reshape(readout, [heads, n, dimHead, dim]), [1, 0, 2, 3]), [
        n,
        features,
        dim,
      ]);
      const out = tf.add(tf.matMul(tf.reshape(q, [n, positions, features]), readouts), this.outConv.bias!);
      return this.outNorm.apply(tf.reshape(out, [n, h, w, dim]));
    });
  }
}
