import * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions } from './attention';
import { splitHeads } from './attention';
import { checkSizes } from './check';
import { Conv2d } from './conv2d';
import { GroupNorm } from './group-norm';

/**
 * Attention whose cost is linear in h·w (Shen et al. 2018, "Efficient Attention"): q is normalised over its features, k over the positions,
 * and q reads from the context kᵀ v, which is dimHead × dimHead. x: [n, h, w, dim] → [n, h, w, dim].
 */
export class LinearAttention {
  /** 1×1, without bias, to q, k and v. */
  readonly toQkv: Conv2d;
  readonly outConv: Conv2d;
  readonly outNorm: GroupNorm;
  readonly heads: number;
  readonly dimHead: number;

  constructor({ dim, heads = 4, dimHead = 32, rng }: AttentionOptions) {
    checkSizes('LinearAttention', { dim, heads, dimHead });
    this.toQkv = new Conv2d({ inChannels: dim, outChannels: 3 * heads * dimHead, kernelSize: 1, bias: false, rng });
    this.outConv = new Conv2d({ inChannels: heads * dimHead, outChannels: dim, kernelSize: 1, rng });
    this.outNorm = new GroupNorm({ groups: 1, channels: dim });
    this.heads = heads;
    this.dimHead = dimHead;
  }

  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w] = x.shape;
      const [q, k, v] = splitHeads(this.toQkv.apply(x), this.heads);
      const queries = tf.mul(tf.softmax(tf.transpose(q, [0, 2, 1, 3])), this.dimHead ** -0.5); // [n, heads, h·w, dimHead]
      const keys = tf.softmax(tf.transpose(k, [0, 2, 3, 1])); // [n, heads, dimHead, h·w]
      const context = tf.matMul(keys, tf.transpose(v, [0, 2, 1, 3])); // [n, heads, dimHead, dimHead]
      const out = tf.transpose(tf.matMul(queries, context), [0, 2, 1, 3]);
      return this.outNorm.apply(this.outConv.apply(tf.reshape(out, [n, h, w, this.heads * this.dimHead])));
    });
  }
}
