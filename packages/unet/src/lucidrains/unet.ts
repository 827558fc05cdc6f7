import {
  Conv2d,
  dropoutBy,
  drawMasks,
  gelu,
  Linear,
  pixelUnshuffle,
  silu,
  sinusoidalEmbedding,
  upsampleNearest,
} from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { LinearMemoryAttention, MemoryAttention } from './attention';
import { ResnetBlock } from './resnet-block';

/** Options of a `LucidrainsUnet`, as denoising-diffusion-pytorch names them; all but `dim` have defaults, which are its own. */
export interface LucidrainsUnetOptions {
  /** Width of the first level, and of the time embedding's sinusoids. */
  dim: number;
  /** Width after the first convolution; dim by default. */
  initDim?: number;
  /** Channels of the output; by default those of the input, or twice as many with `learnedVariance`. */
  outDim?: number;
  /** Each level's width as a multiple of dim; [1, 2, 4, 8] by default. */
  dimMults?: readonly number[];
  /** Channels of the images; 3 by default. */
  channels?: number;
  /** Whether the network says the variance of its steps too; false by default. */
  learnedVariance?: boolean;
  /** Whether the frequencies that t is told by are learned, instead of those of sinusoids; false by default. */
  learnedSinusoidalCond?: boolean;
  /** Sines and cosines of learned frequencies together; 16 by default. */
  learnedSinusoidalDim?: number;
  /** The sinusoids' frequencies fall from 1 to 1 by this; 10000 by default. */
  sinusoidalPosEmbTheta?: number;
  /** How often values are dropped in training, in the first half of each block; 0 by default. */
  dropout?: number;
  /** Features of each head of attention, of all levels or of each; 32 by default. */
  attnDimHead?: number | readonly number[];
  /** Heads of attention, of all levels or of each; 4 by default. */
  attnHeads?: number | readonly number[];
  /** Whether attention is full instead of linear, at all levels or at each; by default at the innermost alone. */
  fullAttn?: boolean | readonly boolean[];
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** Half the size: squares of four pixels as channels, then 1×1. */
class Downsample {
  readonly conv: Conv2d;

  constructor({ dim, dimOut, rng }: { readonly dim: number; readonly dimOut: number; readonly rng: Random }) {
    this.conv = new Conv2d({ inChannels: 4 * dim, outChannels: dimOut, kernelSize: 1, rng });
  }

  apply(x: tf.Tensor4D): tf.Tensor4D {
    return this.conv.apply(pixelUnshuffle(x, 2));
  }
}

/** Twice the size: each pixel four times, then 3×3. */
class Upsample {
  readonly conv: Conv2d;

  constructor({ dim, dimOut, rng }: { readonly dim: number; readonly dimOut: number; readonly rng: Random }) {
    this.conv = new Conv2d({ inChannels: dim, outChannels: dimOut, kernelSize: 3, padding: 1, rng });
  }

  apply(x: tf.Tensor4D): tf.Tensor4D {
    return this.conv.apply(upsampleNearest(x));
  }
}

interface Level<Resampler> {
  readonly block1: ResnetBlock;
  readonly block2: ResnetBlock;
  readonly attention: MemoryAttention | LinearMemoryAttention;
  /** A 3×3 convolution at the last level of each way. */
  readonly resample: Resampler | Conv2d;
}

/** @inline */
type Condition = Readonly<Record<string, tf.Tensor>>;

/**
 * The U-Net of denoising-diffusion-pytorch (lucidrains; version 2.3): two ResNet blocks with a skip connection each and
 * attention at every level, RMSNorm, and the time embedding as a scale and a shift.
 */
export class LucidrainsUnet {
  /** 7×7, to initDim channels at full size. */
  readonly initConv: Conv2d;
  /** t [n] → the time embedding [n, 4·dim]; the learned frequencies are [learnedSinusoidalDim/2]. */
  readonly timeMlp: { readonly frequencies?: tf.Variable; readonly linear1: Linear; readonly linear2: Linear };
  /** The levels from full size down. */
  readonly downs: readonly Level<Downsample>[];
  /** The middle, at the smallest size: block, full attention, block. */
  readonly midBlock1: ResnetBlock;
  readonly midAttn: MemoryAttention;
  readonly midBlock2: ResnetBlock;
  /** The levels back up, whose two blocks take a skip connection each. */
  readonly ups: readonly Level<Upsample>[];
  /** At full size again, beside what the first convolution made. */
  readonly finalResBlock: ResnetBlock;
  /** 1×1, to outDim channels. */
  readonly finalConv: Conv2d;
  readonly theta: number;
  readonly dropout: number;

  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor({
    dim,
    initDim = dim,
    channels = 3,
    learnedVariance = false,
    outDim = learnedVariance ? 2 * channels : channels,
    dimMults = [1, 2, 4, 8],
    learnedSinusoidalCond = false,
    learnedSinusoidalDim = 16,
    sinusoidalPosEmbTheta = 10_000,
    dropout = 0,
    attnDimHead = 32,
    attnHeads = 4,
    fullAttn,
    seed = 0,
  }: LucidrainsUnetOptions) {
    if (!Number.isInteger(dim) || dim < 4 || (dim % 2 !== 0 && !learnedSinusoidalCond))
      throw new RangeError(
        `LucidrainsUnet: dim must be an even number of at least 4 for the time's sinusoids, got ${dim}`,
      );
    if (!Number.isInteger(learnedSinusoidalDim) || learnedSinusoidalDim < 2 || learnedSinusoidalDim % 2 !== 0)
      throw new RangeError(
        `LucidrainsUnet: learnedSinusoidalDim must be an even number of at least 2, got ${learnedSinusoidalDim}`,
      );
    if (!(dropout >= 0 && dropout < 1))
      throw new RangeError(`LucidrainsUnet: dropout must be a number from 0 to below 1, got ${dropout}`);
    if (dimMults.length === 0) throw new RangeError('LucidrainsUnet: dimMults must name a level at least, got none');
    const rng = new Random(seed);
    const last = dimMults.length - 1;
    const [dimHeads, heads, full] = [
      perLevel('attnDimHead', attnDimHead, last + 1),
      perLevel('attnHeads', attnHeads, last + 1),
      perLevel('fullAttn', fullAttn ?? dimMults.map((_, level) => level === last), last + 1),
    ];
    const timeEmbDim = 4 * dim;
    const block = (from: number, to: number) => new ResnetBlock({ dim: from, dimOut: to, timeEmbDim, rng });
    const attention = (level: number, width: number) => {
      const options = { dim: width, heads: heads[level], dimHead: dimHeads[level], rng };
      return full[level] ? new MemoryAttention(options) : new LinearMemoryAttention(options);
    };
    const widths = [initDim, ...dimMults.map((mult) => dim * mult)];

    this.initConv = new Conv2d({ inChannels: channels, outChannels: initDim, kernelSize: 7, padding: 3, rng });
    const told = learnedSinusoidalCond ? learnedSinusoidalDim + 1 : dim;
    this.timeMlp = {
      ...(learnedSinusoidalCond && {
        frequencies: tf.tidy(() => tf.variable(tf.tensor1d(rng.normals(learnedSinusoidalDim / 2)))),
      }),
      linear1: new Linear({ inFeatures: told, outFeatures: timeEmbDim, rng }),
      linear2: new Linear({ inFeatures: timeEmbDim, outFeatures: timeEmbDim, rng }),
    };
    const flat = (from: number, to: number) =>
      new Conv2d({ inChannels: from, outChannels: to, kernelSize: 3, padding: 1, rng });
    this.downs = dimMults.map((_, level) => {
      const [dim, dimOut] = [widths[level], widths[level + 1]];
      return {
        block1: block(dim, dim),
        block2: block(dim, dim),
        attention: attention(level, dim),
        resample: level < last ? new Downsample({ dim, dimOut, rng }) : flat(dim, dimOut),
      };
    });
    const middle = widths[last + 1];
    this.midBlock1 = block(middle, middle);
    this.midAttn = new MemoryAttention({ dim: middle, heads: heads[last], dimHead: dimHeads[last], rng });
    this.midBlock2 = block(middle, middle);
    this.ups = dimMults
      .map((_, level) => {
        const [dimOut, dim] = [widths[level], widths[level + 1]];
        return {
          block1: block(dim + dimOut, dim),
          block2: block(dim + dimOut, dim),
          attention: attention(level, dim),
          resample: level > 0 ? new Upsample({ dim, dimOut, rng }) : flat(dim, dimOut),
        };
      })
      .reverse();
    this.finalResBlock = block(2 * initDim, initDim);
    this.finalConv = new Conv2d({ inChannels: initDim, outChannels: outDim, kernelSize: 1, rng });
    this.theta = sinusoidalPosEmbTheta;
    this.dropout = dropout;
  }

  /**
   * x: [n, h, w, channels], t: [n] → [n, h, w, outDim]; h and w multiples of 2^(levels − 1). In training alone, also
   * `dropout`, as `trainingInputs` draws it.
   * @throws RangeError if they are not.
   */
  apply(x: tf.Tensor4D, t: tf.Tensor1D, condition: Condition = {}): tf.Tensor4D {
    this.check(x, t, condition);
    return tf.tidy(() => {
      const { dropout: masks } = condition;
      const dropout = masks && dropoutBy(masks as tf.Tensor2D);
      const timeEmb = silu(this.timeEmbedding(t));
      const first = this.initConv.apply(x);
      let h = first;
      const skips: tf.Tensor4D[] = [];
      for (const { block1, block2, attention, resample } of this.downs) {
        h = block1.apply(h, timeEmb, dropout);
        skips.push(h);
        h = block2.apply(h, timeEmb, dropout);
        h = tf.add(attention.apply(h), h);
        skips.push(h);
        h = resample.apply(h);
      }
      h = this.midBlock1.apply(h, timeEmb, dropout);
      h = tf.add(this.midAttn.apply(h), h);
      h = this.midBlock2.apply(h, timeEmb, dropout);
      for (const { block1, block2, attention, resample } of this.ups) {
        h = block1.apply(tf.concat([h, skips.pop()!], 3), timeEmb, dropout);
        h = block2.apply(tf.concat([h, skips.pop()!], 3), timeEmb, dropout);
        h = tf.add(attention.apply(h), h);
        h = resample.apply(h);
      }
      return this.finalConv.apply(this.finalResBlock.apply(tf.concat([h, first], 3), timeEmb, dropout));
    });
  }

  /** `dropout`, where values are dropped: for images [h, w, c], a number for each of them, 0 or 1/(1 − dropout). */
  trainingInputs([h, w]: readonly number[]): Record<string, DropoutInput> {
    if (this.dropout === 0) return {};
    const item = [this.droppable(h, w)];
    return { dropout: { item, draw: (rng, count) => drawMasks(rng, count, this.dropout) } };
  }

  /** How many values of an image are dropped or not, in the order in which `apply` comes upon them. */
  private droppable(h: number, w: number): number {
    const last = this.downs.length - 1;
    const of = (level: number, ...blocks: ResnetBlock[]) =>
      blocks.reduce((sum, block) => sum + block.droppable((h * w) / 4 ** level), 0);
    return [
      ...this.downs.map(({ block1, block2 }, level) => of(level, block1, block2)),
      of(last, this.midBlock1, this.midBlock2),
      ...this.ups.map(({ block1, block2 }, i) => of(last - i, block1, block2)),
      of(0, this.finalResBlock),
    ].reduce((a, b) => a + b);
  }

  private timeEmbedding(t: tf.Tensor1D): tf.Tensor2D {
    const { frequencies, linear1, linear2 } = this.timeMlp;
    if (!frequencies) {
      const dim = linear1.weight.shape[0];
      const sinusoids = sinusoidalEmbedding(t, { dim, endpoint: true, maxPeriod: this.theta });
      return linear2.apply(gelu(linear1.apply(sinusoids)));
    }
    const time = tf.expandDims<tf.Tensor2D>(tf.cast(t, 'float32'), 1);
    const angles = tf.mul(tf.mul(time, tf.expandDims(frequencies, 0)), 2 * Math.PI);
    return linear2.apply(gelu(linear1.apply(tf.concat([time, tf.sin(angles), tf.cos(angles)], 1) as tf.Tensor2D)));
  }

  private check(x: tf.Tensor4D, t: tf.Tensor1D, { dropout, ...others }: Condition): void {
    const channels = this.initConv.weight.shape[2]!;
    const factor = 2 ** (this.downs.length - 1);
    const [n, h, w, c] = x.shape;
    if (x.rank !== 4 || c !== channels)
      throw new RangeError(`LucidrainsUnet: expected images [n, h, w, ${channels}], got [${x.shape.join(', ')}]`);
    if (h % factor !== 0 || w % factor !== 0)
      throw new RangeError(
        `LucidrainsUnet: height and width must be multiples of ${factor}, since ${this.downs.length} levels halve them; got ${h}×${w}`,
      );
    if (t.rank !== 1 || t.shape[0] !== n)
      throw new RangeError(`LucidrainsUnet: expected t as [${n}], one for each image, got [${t.shape.join(', ')}]`);
    const given = Object.keys(others);
    if (given.length > 0) throw new RangeError(`LucidrainsUnet: expected no conditions, got ${given.join(', ')}`);
    if (!dropout) return;
    const masks = [n, this.droppable(h, w)];
    if (dropout.shape.join() !== masks.join())
      throw new RangeError(
        `LucidrainsUnet: expected dropout as [${masks.join(', ')}], got [${dropout.shape.join(', ')}]`,
      );
  }
}

interface DropoutInput {
  readonly item: readonly number[];
  draw(rng: Random, count: number): Float32Array;
}

/** One for each level. */
function perLevel<T extends number | boolean>(name: string, given: T | readonly T[], levels: number): readonly T[] {
  if (!Array.isArray(given)) return Array<T>(levels).fill(given as T);
  if (given.length !== levels)
    throw new RangeError(
      `LucidrainsUnet: ${name} must be one, or one for each of ${levels} levels, got ${given.length}`,
    );
  return given as readonly T[];
}
