import { attend, Conv1d, GroupNorm, joinHeads, MultiHeadAttention, splitHeads } from '@ddpm/layers';
import type { Init } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './blocks';

/** x + attention(GroupNorm(x)) over all positions of images. */
export interface AttentionLayer {
  apply(x: tf.Tensor4D): tf.Tensor4D;
}

/**
 * Multi-head self-attention over all positions of images with a residual connection, as ADM has it: q, k and v from one
 * matrix, whose columns are ordered by q, k, v and then by head, or the other way about.
 */
export class QkvAttention implements AttentionLayer {
  readonly norm: GroupNorm;
  /** channels → 3·channels. */
  readonly qkv: Conv1d;
  readonly projOut: Conv1d;
  readonly heads: number;
  /** Whether each head's q, k and v stand together, as in ADM's first, "legacy" order. */
  readonly headsFirst: boolean;

  /** @throws RangeError unless groups and heads divide the channels. */
  constructor({
    channels,
    heads,
    headsFirst = false,
    groups,
    eps,
    outInit,
    ...initial
  }: {
    channels: number;
    heads: number;
    headsFirst?: boolean;
    groups: number;
    eps?: number;
    outInit?: Init;
  } & Initial) {
    if (channels % heads !== 0)
      throw new RangeError(`QkvAttention: channels (${channels}) must be a multiple of heads (${heads})`);
    this.norm = new GroupNorm({ groups, channels, eps });
    this.qkv = new Conv1d({ inChannels: channels, outChannels: 3 * channels, ...initial });
    this.projOut = new Conv1d({
      ...initial,
      ...{ inChannels: channels, outChannels: channels },
      ...(outInit && { init: outInit }),
    });
    this.heads = heads;
    this.headsFirst = headsFirst;
  }

  /** x: [n, h, w, channels] → [n, h, w, channels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w, c] = x.shape;
      const normed = tf.reshape<tf.Rank.R3>(this.norm.apply(x), [n, h * w, c]);
      const attended = selfAttention(normed, this.qkv, this);
      return tf.add(x, tf.reshape<tf.Rank.R4>(this.projOut.apply(attended), x.shape));
    });
  }
}

/** The same with a matrix each for q, k and v, as diffusers has it. */
export class SplitAttention implements AttentionLayer {
  /** Where there is one. */
  readonly norm?: GroupNorm;
  readonly attention: MultiHeadAttention;
  readonly outputScale: number;

  /**
   * @param options.groups of the norm; null for no norm
   * @param options.dimHead channels of a head, of which there are as many as fit
   * @param options.outputScale what the sum is divided by
   * @throws RangeError unless the groups divide the channels, and at least one head fits.
   */
  constructor({
    channels,
    dimHead,
    groups,
    eps,
    outputScale = 1,
    ...initial
  }: { channels: number; dimHead: number; groups: number | null; eps: number; outputScale?: number } & Initial) {
    if (groups !== null) this.norm = new GroupNorm({ groups, channels, eps });
    const heads = Math.floor(channels / dimHead);
    this.attention = new MultiHeadAttention({ dim: channels, heads, dimHead, ...initial });
    this.outputScale = outputScale;
  }

  /** x: [n, h, w, channels] → [n, h, w, channels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w, c] = x.shape;
      const normed = this.norm ? this.norm.apply(x) : x;
      const attended = this.attention.apply(tf.reshape(normed, [n, h * w, c]));
      const sum = tf.add<tf.Tensor4D>(x, tf.reshape(attended, x.shape));
      return this.outputScale === 1 ? sum : tf.div<tf.Tensor4D>(sum, this.outputScale);
    });
  }
}

/** Self-attention of [n, positions, c] by one matrix for q, k and v, before the projection of its result. */
export function selfAttention(
  x: tf.Tensor3D,
  { weight, bias }: Conv1d,
  { heads, headsFirst }: { readonly heads: number; readonly headsFirst: boolean },
): tf.Tensor3D {
  const [n, positions, c] = x.shape;
  /** Columns by q, k, v and then by head. */
  const ordered = (matrix: tf.Tensor): tf.Tensor2D => {
    const rows = matrix.size / (3 * c);
    const turned = headsFirst ? tf.transpose(tf.reshape(matrix, [rows, heads, 3, c / heads]), [0, 2, 1, 3]) : matrix;
    return tf.reshape(turned, [rows, 3 * c]);
  };
  const rows = tf.add(tf.matMul(tf.reshape(x, [n * positions, c]), ordered(weight)), ordered(bias!));
  const qkv = tf.reshape<tf.Rank.R3>(rows, [n, positions, 3 * c]);
  const [q, k, v] = tf.split<tf.Tensor3D>(qkv, 3, 2).map((part) => splitHeads(part, heads));
  return joinHeads(attend(q, k, v));
}
