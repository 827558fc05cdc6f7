import type { Random } from '@ddpm/random';
import { attend, Conv2d, joinHeads, RmsNorm, splitHeads } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';

/** Positions that are learned, beside those of the image. */
const MEMORIES = 4;

interface AttentionOptions {
  readonly dim: number;
  readonly heads: number;
  readonly dimHead: number;
  readonly rng: Random;
}

/** q, k and v of images [n, h, w, dim], of each head: [n, heads, h·w, dimHead]. */
function headsOf(qkv: tf.Tensor4D, heads: number): tf.Tensor4D[] {
  const [n, h, w, features] = qkv.shape;
  const rows = tf.reshape<tf.Rank.R3>(qkv, [n, h * w, features]);
  return tf.split<tf.Tensor3D>(rows, 3, 2).map((part) => splitHeads(part, heads));
}

/** The keys or the values, 0 or 1, of the learned positions, once for each image. */
function memories(memKv: tf.Variable, which: 0 | 1, n: number): tf.Tensor4D {
  const [, ...shape] = memKv.shape;
  return tf.tile<tf.Tensor4D>(tf.slice(memKv, which, 1) as tf.Tensor4D, [n, ...shape.map(() => 1)]);
}

const memoryParameter = (rng: Random, shape: number[]): tf.Variable =>
  tf.tidy(() => tf.variable(tf.tensor(rng.normals(shape.reduce((a, b) => a * b)), shape)));

/** Attention over all positions, and four learned ones, which only answer. */
export class MemoryAttention {
  readonly norm: RmsNorm;
  /** Keys and values of the learned positions, [2, heads, 4, dimHead]. */
  readonly memKv: tf.Variable;
  /** 1×1, without bias, to q, k and v. */
  readonly toQkv: Conv2d;
  /** 1×1, from the heads' features back to dim. */
  readonly toOut: Conv2d;

  constructor({ dim, heads, dimHead, rng }: AttentionOptions) {
    this.norm = new RmsNorm({ channels: dim });
    this.memKv = memoryParameter(rng, [2, heads, MEMORIES, dimHead]);
    this.toQkv = new Conv2d({ inChannels: dim, outChannels: 3 * heads * dimHead, kernelSize: 1, bias: false, rng });
    this.toOut = new Conv2d({ inChannels: heads * dimHead, outChannels: dim, kernelSize: 1, rng });
  }

  /** x: [n, h, w, dim] → [n, h, w, dim]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w] = x.shape;
      const [q, k, v] = headsOf(this.toQkv.apply(this.norm.apply(x)), this.memKv.shape[1]!);
      const [keys, values] = [k, v].map((part, i) => tf.concat([memories(this.memKv, i as 0 | 1, n), part], 2));
      return this.toOut.apply(tf.reshape(joinHeads(attend(q, keys, values)), [n, h, w, -1]));
    });
  }
}

/** Attention whose cost is linear in h·w (Shen et al. 2018), over all positions and four learned ones. */
export class LinearMemoryAttention {
  readonly norm: RmsNorm;
  /** Keys and values of the learned positions, [2, heads, dimHead, 4]. */
  readonly memKv: tf.Variable;
  /** 1×1, without bias, to q, k and v. */
  readonly toQkv: Conv2d;
  /** 1×1, from the heads' features back to dim. */
  readonly outConv: Conv2d;
  readonly outNorm: RmsNorm;

  constructor({ dim, heads, dimHead, rng }: AttentionOptions) {
    this.norm = new RmsNorm({ channels: dim });
    this.memKv = memoryParameter(rng, [2, heads, dimHead, MEMORIES]);
    this.toQkv = new Conv2d({ inChannels: dim, outChannels: 3 * heads * dimHead, kernelSize: 1, bias: false, rng });
    this.outConv = new Conv2d({ inChannels: heads * dimHead, outChannels: dim, kernelSize: 1, rng });
    this.outNorm = new RmsNorm({ channels: dim });
  }

  /** x: [n, h, w, dim] → [n, h, w, dim]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w] = x.shape;
      const [, heads, dimHead] = this.memKv.shape;
      const [q, k, v] = headsOf(this.toQkv.apply(this.norm.apply(x)), heads);
      const [keys, values] = [k, v].map((part, i) =>
        tf.concat([memories(this.memKv, i as 0 | 1, n), tf.transpose(part, [0, 1, 3, 2])], 3),
      );
      const context = tf.matMul(tf.softmax(keys), values, false, true); // kᵀ v: [n, heads, dimHead, dimHead]
      const read = tf.matMul<tf.Tensor4D>(tf.mul(tf.softmax(q), dimHead ** -0.5), context);
      return this.outNorm.apply(this.outConv.apply(tf.reshape(joinHeads(read), [n, h, w, -1])));
    });
  }
}
