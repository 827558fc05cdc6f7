import { EmbeddingMlp, QkvAttention, ResBlock } from '@ddpm/adm';
import { Conv2d, GroupNorm, pixelShuffle, silu, sinusoidalEmbedding, zeroInit } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Options of an `EfficientUnet`; only `modelChannels` has no default. */
export interface EfficientUnetOptions {
  /** Channels of the images; 3 by default. */
  imageChannels?: number;
  /** Channels of the output; by default those of the images. */
  outChannels?: number;
  /** Width at full size, and of the time's sinusoids; even. */
  modelChannels: number;
  /** Each level's width as a multiple of modelChannels, from half size down; [1, 2, 4, 8] by default. */
  channelMult?: readonly number[];
  /** Residual blocks of each level, on the way down as on the way up; [2, 4, 8, 8] by default, most where they are cheap. */
  numResBlocks?: readonly number[];
  /** Where there is attention: how often the size is halved there, as a factor, so 2, 4, 8 …; at the last level by default. */
  attentionResolutions?: readonly number[];
  /** Heads of an attention; 4 by default. */
  numHeads?: number;
  /** Groups of the norms, which must divide every width; 8 by default. */
  groups?: number;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** Blocks of a level, and attention behind them at some. */
interface Blocks {
  readonly blocks: readonly ResBlock[];
  readonly attention?: QkvAttention;
}

const WHO = 'EfficientUnet';

/**
 * Imagen's efficient U-Net, for super-resolution (Saharia et al. 2022, appendix B.1): the size is halved before a level's
 * blocks and doubled behind them, so that nothing but two convolutions is at full size; blocks are many where images are
 * small; and skip connections count 1/√2.
 */
export class EfficientUnet {
  readonly conditions: readonly string[] = [];
  readonly time: EmbeddingMlp;
  /** 3×3, at full size. */
  readonly inConv: Conv2d;
  /** The levels from half size down: a 3×3 convolution of stride 2, and blocks. */
  readonly downs: readonly (Blocks & { readonly down: Conv2d })[];
  /** The levels back up: blocks, the first of which takes the skip connection, and a 3×3 convolution to four times the channels, which become pixels. */
  readonly ups: readonly (Blocks & { readonly up: Conv2d })[];
  readonly outNorm: GroupNorm;
  /** 3×3, at full size; it begins at 0. */
  readonly outConv: Conv2d;
  private readonly dim: number;
  private readonly imageChannels: number;

  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor({
    imageChannels = 3,
    outChannels = imageChannels,
    modelChannels,
    channelMult = [1, 2, 4, 8],
    numResBlocks = [2, 4, 8, 8],
    attentionResolutions = [2 ** channelMult.length],
    numHeads = 4,
    groups = 8,
    seed = 0,
  }: EfficientUnetOptions) {
    const widths = channelMult.map((mult) => mult * modelChannels);
    if (!Number.isInteger(modelChannels) || modelChannels < 4 || modelChannels % 2 !== 0)
      throw new RangeError(
        `${WHO}: modelChannels must be an even number of at least 4, for the time's sinusoids, got ${modelChannels}`,
      );
    if (widths.length === 0 || numResBlocks.length !== widths.length || !numResBlocks.every((n) => n >= 1))
      throw new RangeError(
        `${WHO}: numResBlocks must be at least 1 for each level of channelMult, got [${numResBlocks.join(', ')}] for [${channelMult.join(', ')}]`,
      );
    const unfit = [modelChannels, ...widths].find((width) => width % groups !== 0);
    if (unfit !== undefined)
      throw new RangeError(`${WHO}: groups (${groups}) must divide every width, but not so ${unfit}`);
    const unknown = attentionResolutions.find((factor) => !widths.some((_, level) => factor === 2 ** (level + 1)));
    if (unknown !== undefined)
      throw new RangeError(
        `${WHO}: attentionResolutions are some of ${widths.map((_, level) => 2 ** (level + 1)).join(', ')}, got ${unknown}`,
      );
    const rng = new Random(seed);
    const embDim = 4 * modelChannels;
    this.dim = modelChannels;
    this.imageChannels = imageChannels;
    const conv = (inChannels: number, out: number, stride = 1) =>
      new Conv2d({ inChannels, outChannels: out, kernelSize: 3, stride, padding: 1, rng });
    const level = (at: number, from: number): Blocks => {
      const width = widths[at];
      const block = (inChannels: number) =>
        new ResBlock({ inChannels, outChannels: width, embDim, groups, scaleShift: true, outInit: zeroInit, rng });
      const blocks = Array.from({ length: numResBlocks[at] }, (_, i) => block(i === 0 ? from : width));
      if (!attentionResolutions.includes(2 ** (at + 1))) return { blocks };
      return {
        blocks,
        attention: new QkvAttention({ channels: width, heads: numHeads, groups, outInit: zeroInit, rng }),
      };
    };
    this.time = new EmbeddingMlp({ inFeatures: modelChannels, embDim, rng });
    this.inConv = conv(imageChannels, modelChannels);
    this.downs = widths.map((width, at) => ({
      down: conv(widths[at - 1] ?? modelChannels, width, 2),
      ...level(at, width),
    }));
    this.ups = [...widths.keys()].reverse().map((at) => ({
      ...level(at, 2 * widths[at]),
      up: conv(widths[at], 4 * (widths[at - 1] ?? modelChannels)),
    }));
    this.outNorm = new GroupNorm({ groups, channels: modelChannels });
    this.outConv = new Conv2d({
      ...{ inChannels: modelChannels, outChannels, kernelSize: 3, padding: 1 },
      ...{ init: zeroInit, rng },
    });
  }

  /**
   * x: [n, h, w, imageChannels], t: [n] → [n, h, w, outChannels]; h and w multiples of 2^levels.
   * @throws RangeError if they are not.
   */
  apply(x: tf.Tensor4D, t: tf.Tensor1D): tf.Tensor4D {
    this.check(x, t);
    return tf.tidy(() => {
      const emb = silu(this.time.apply(sinusoidalEmbedding(t, { dim: this.dim, cosFirst: true })));
      const through = ({ blocks, attention }: Blocks, image: tf.Tensor4D) => {
        const h = blocks.reduce((before, block) => block.apply(before, emb), image);
        return attention ? attention.apply(h) : h;
      };
      const skips: tf.Tensor4D[] = [];
      let h = this.inConv.apply(x);
      for (const { down, ...level } of this.downs) {
        h = through(level, down.apply(h));
        skips.push(h);
      }
      for (const { up, ...level } of this.ups) {
        const skip = tf.mul<tf.Tensor4D>(skips.pop()!, Math.SQRT1_2);
        h = pixelShuffle(up.apply(through(level, tf.concat([h, skip], 3))), 2);
      }
      return this.outConv.apply(silu(this.outNorm.apply(h)));
    });
  }

  private check(x: tf.Tensor4D, t: tf.Tensor1D): void {
    const factor = 2 ** this.downs.length;
    const [n, h, w, c] = x.shape;
    if (x.rank !== 4 || c !== this.imageChannels)
      throw new RangeError(`${WHO}: expected images [n, h, w, ${this.imageChannels}], got [${x.shape.join(', ')}]`);
    if (h % factor !== 0 || w % factor !== 0)
      throw new RangeError(
        `${WHO}: height and width must be multiples of ${factor}, since ${this.downs.length} levels halve them; got ${h}×${w}`,
      );
    if (t.rank !== 1 || t.shape[0] !== n)
      throw new RangeError(`${WHO}: expected t as [${n}], one for each image, got [${t.shape.join(', ')}]`);
  }
}
