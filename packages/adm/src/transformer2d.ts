import { Conv2d, gelu, GroupNorm, LayerNorm, Linear, MultiHeadAttention } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionLayer } from './attention';
import type { Initial } from './blocks';

/** Sizes of a `Transformer2d`. */
export interface Transformer2dOptions extends Initial {
  channels: number;
  heads: number;
  /** Features of each position of the context. */
  contextDim: number;
  /** How many blocks. */
  layers: number;
  /** Groups of the norm. */
  groups: number;
  /** Whether the first attention of a block is to the context too. */
  onlyContext: boolean;
  /** Whether a matrix leads in and out, or a 1×1 convolution: the same but for the weights' shape. */
  linearProjection: boolean;
}

/** Added to the variances of the norm before all blocks, whatever that of the others is. */
const EPS = 1e-6;

/**
 * Attention of an image's positions to each other and to a context, such as the tokens of a caption, in transformer
 * blocks (Rombach et al. 2021, §3.3 and appendix E): diffusers' `Transformer2DModel`.
 */
export class Transformer2d implements AttentionLayer {
  readonly norm: GroupNorm;
  readonly projIn: Conv2d | Linear;
  readonly blocks: readonly CrossAttentionBlock[];
  readonly projOut: Conv2d | Linear;

  /** @throws RangeError unless groups divides the channels, and there are as many channels as heads. */
  constructor({
    channels,
    heads,
    layers,
    groups,
    linearProjection,
    contextDim,
    onlyContext,
    ...initial
  }: Transformer2dOptions) {
    const dimHead = Math.floor(channels / heads);
    const inner = heads * dimHead;
    const project = (from: number, to: number) =>
      linearProjection
        ? new Linear({ inFeatures: from, outFeatures: to, ...initial })
        : new Conv2d({ inChannels: from, outChannels: to, kernelSize: 1, ...initial });
    this.norm = new GroupNorm({ groups, channels, eps: EPS });
    this.projIn = project(channels, inner);
    this.blocks = Array.from(
      { length: layers },
      () => new CrossAttentionBlock({ dim: inner, heads, dimHead, contextDim, onlyContext, ...initial }),
    );
    this.projOut = project(inner, channels);
  }

  /** x: [n, h, w, channels], context: [n, positions, contextDim] → [n, h, w, channels]. */
  apply(x: tf.Tensor4D, context: tf.Tensor3D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w] = x.shape;
      const entered = this.projIn.apply<tf.Tensor4D>(this.norm.apply(x));
      const inner = entered.shape[3];
      let sequence = tf.reshape<tf.Rank.R3>(entered, [n, h * w, inner]);
      for (const block of this.blocks) sequence = block.apply(sequence, context);
      return tf.add(x, this.projOut.apply<tf.Tensor4D>(tf.reshape(sequence, [n, h, w, inner])));
    });
  }
}

/** Self-attention, attention to a context, and a gated network, each with a norm before it and a residual connection. */
export class CrossAttentionBlock {
  readonly norm1: LayerNorm;
  readonly attn1: MultiHeadAttention;
  readonly norm2: LayerNorm;
  readonly attn2: MultiHeadAttention;
  readonly norm3: LayerNorm;
  /** dim → 2·4·dim: values, and their gates (Shazeer 2020, GEGLU). */
  readonly geglu: Linear;
  readonly linear: Linear;
  readonly onlyContext: boolean;

  constructor({
    dim,
    heads,
    dimHead,
    contextDim,
    onlyContext,
    ...initial
  }: { dim: number; heads: number; dimHead: number; contextDim: number; onlyContext: boolean } & Initial) {
    const attention = (of: number) =>
      new MultiHeadAttention({ dim, heads, dimHead, contextDim: of, qkvBias: false, ...initial });
    this.norm1 = new LayerNorm({ features: dim });
    this.attn1 = attention(onlyContext ? contextDim : dim);
    this.norm2 = new LayerNorm({ features: dim });
    this.attn2 = attention(contextDim);
    this.norm3 = new LayerNorm({ features: dim });
    this.geglu = new Linear({ inFeatures: dim, outFeatures: 8 * dim, ...initial });
    this.linear = new Linear({ inFeatures: 4 * dim, outFeatures: dim, ...initial });
    this.onlyContext = onlyContext;
  }

  /** x: [n, positions, dim], context: [n, its positions, contextDim] → [n, positions, dim]. */
  apply(x: tf.Tensor3D, context: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => {
      const own = this.attn1.apply(this.norm1.apply(x), this.onlyContext ? { context } : {});
      const first = tf.add<tf.Tensor3D>(x, own);
      const second = tf.add<tf.Tensor3D>(first, this.attn2.apply(this.norm2.apply(first), { context }));
      const [values, gates] = tf.split<tf.Tensor3D>(this.geglu.apply(this.norm3.apply(second)), 2, 2);
      return tf.add<tf.Tensor3D>(second, this.linear.apply(tf.mul<tf.Tensor3D>(values, gelu(gates))));
    });
  }
}
