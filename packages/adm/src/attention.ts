import { attend, Conv1d, GroupNorm, joinHeads, MultiHeadAttention, splitHeads } from '@ddpm/layers';
import type { Init } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './blocks';

/** x + attention(GroupNorm(x)) over all positions of images, and over those of a context where there is one. */
export interface AttentionLayer {
  apply(x: tf.Tensor4D, context?: tf.Tensor3D): tf.Tensor4D;
}

/**
 * Multi-head self-attention over all positions of images with a residual connection, as ADM has it: q, k and v from one
 * matrix, whose columns are ordered by q, k, v and then by head, or the other way about. As in GLIDE (Nichol et al. 2021,
 * §3), the keys and values may be preceded by those of a context, such as the tokens of a caption.
 */
export class QkvAttention implements AttentionLayer {
  readonly norm: GroupNorm;
  /** channels → 3·channels. */
  readonly qkv: Conv1d;
  /** contextDim → 2·channels, where there is a context. */
  readonly contextKv?: Conv1d;
  readonly projOut: Conv1d;
  readonly heads: number;
  /** Whether each head's q, k and v stand together, as in ADM's first, "legacy" order. */
  readonly headsFirst: boolean;

  /** @throws RangeError unless groups and heads divide the channels. */
  constructor({
    channels,
    heads,
    headsFirst = false,
    contextDim,
    groups,
    eps,
    outInit,
    ...initial
  }: {
    channels: number;
    heads: number;
    contextDim?: number;
    headsFirst?: boolean;
    groups: number;
    eps?: number;
    outInit?: Init;
  } & Initial) {
    if (channels % heads !== 0)
      throw new RangeError(`QkvAttention: channels (${channels}) must be a multiple of heads (${heads})`);
    this.norm = new GroupNorm({ groups, channels, eps });
    this.qkv = new Conv1d({ inChannels: channels, outChannels: 3 * channels, ...initial });
    if (contextDim !== undefined)
      this.contextKv = new Conv1d({ inChannels: contextDim, outChannels: 2 * channels, ...initial });
    this.projOut = new Conv1d({
      ...initial,
      ...{ inChannels: channels, outChannels: channels },
      ...(outInit && { init: outInit }),
    });
    this.heads = heads;
    this.headsFirst = headsFirst;
  }

  /** x: [n, h, w, channels], and the context [n, positions, contextDim] where there is one → [n, h, w, channels]. */
  apply(x: tf.Tensor4D, context?: tf.Tensor3D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w, c] = x.shape;
      const normed = tf.reshape<tf.Rank.R3>(this.norm.apply(x), [n, h * w, c]);
      const before = context && this.contextKv && projections(context, this.contextKv, this, 2);
      const attended = selfAttention(normed, this.qkv, this, before);
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

/**
 * Self-attention of [n, positions, c] by one matrix for q, k and v, before the projection of its result.
 * @param before keys and values that stand before its own, [n, positions, c] each
 */
export function selfAttention(x: tf.Tensor3D, qkv: Conv1d, order: Order, before?: readonly tf.Tensor3D[]): tf.Tensor3D {
  const [q, ...own] = projections(x, qkv, order, 3);
  const keysAndValues = before ? own.map((part, i) => tf.concat([before[i], part], 1)) : own;
  const [queries, keys, values] = [q, ...keysAndValues].map((part) => splitHeads(part, order.heads));
  return joinHeads(attend(queries, keys, values));
}

/** How many heads there are, and whether what belongs to one stands together. */
interface Order {
  readonly heads: number;
  readonly headsFirst: boolean;
}

/** [n, positions, from] by one matrix to several of [n, positions, c] each, such as q, k and v. */
function projections(
  x: tf.Tensor3D,
  { weight, bias }: Conv1d,
  { heads, headsFirst }: Order,
  count: number,
): tf.Tensor3D[] {
  const [n, positions, from] = x.shape;
  const width = bias!.size;
  /** Columns by q, k, v and then by head. */
  const ordered = (matrix: tf.Tensor): tf.Tensor2D => {
    const rows = matrix.size / width;
    const turned = headsFirst
      ? tf.transpose(tf.reshape(matrix, [rows, heads, count, width / count / heads]), [0, 2, 1, 3])
      : matrix;
    return tf.reshape(turned, [rows, width]);
  };
  const rows = tf.add(tf.matMul(tf.reshape(x, [n * positions, from]), ordered(weight)), ordered(bias!));
  return tf.split<tf.Tensor3D>(tf.reshape<tf.Rank.R3>(rows, [n, positions, width]), count, 2);
}
