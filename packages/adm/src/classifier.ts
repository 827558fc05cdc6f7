import { Conv1d, Conv2d, GroupNorm, Linear, normalInit, pixelUnshuffle, silu } from '@ddpm/layers';
import type { TorchAxes } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { AdmOptions, AdmWeights } from './adm-unet';
import { admParts } from './adm-unet';
import { selfAttention } from './attention';
import type { Initial } from './blocks';
import { Encoder } from './encoder';
import type { Told } from './unet';
import { checkInputs } from './unet';

/** How the classifier makes one vector of an image, in guided-diffusion's words. */
export type Pooling = 'adaptive' | 'attention' | 'spatial' | 'spatial_v2';

/** Options of an `AdmClassifier`; only `modelChannels` and `numClasses` have no default. */
export interface AdmClassifierOptions extends AdmOptions {
  /** How many classes there are: logits in the output. */
  numClasses: number;
  /**
   * How an image becomes one vector: by the mean over all positions, `'adaptive'`; by attention, `'attention'`, as in
   * the paper, the default; or by two layers over the means at all levels, `'spatial'`, and with a norm between them,
   * `'spatial_v2'`.
   */
  pool?: Pooling;
  /** Height and width of the images, which `'attention'` needs, since it learns the positions. */
  imageSize?: number;
}

/** The part that makes the logits [n, classes] of the encoder's results. */
interface Head {
  apply(encoded: ReturnType<Encoder['apply']>): tf.Tensor2D;
}

/** The mean over all positions. */
const globalMean = (x: tf.Tensor4D) => tf.mean<tf.Tensor2D>(x, [1, 2]);

/** GroupNorm → SiLU → mean → linear. */
class MeanHead implements Head {
  readonly norm: GroupNorm;
  /** 1×1. */
  readonly out: Conv2d;

  constructor({
    groups,
    channels,
    classes,
    ...initial
  }: { groups: number; channels: number; classes: number } & Initial) {
    this.norm = new GroupNorm({ groups, channels });
    this.out = new Conv2d({ inChannels: channels, outChannels: classes, kernelSize: 1, ...initial });
  }

  apply({ h }: ReturnType<Encoder['apply']>): tf.Tensor2D {
    const mean = tf.mean<tf.Tensor4D>(silu(this.norm.apply(h)), [1, 2], true);
    return tf.squeeze(this.out.apply(mean), [1, 2]);
  }
}

/** Attention of the mean to all positions, as CLIP pools (Radford et al. 2021). */
class AttentionPool {
  /** (channels, positions + 1). */
  static readonly torchAxes: TorchAxes = { positionalEmbedding: [1, 0] };
  /** [positions + 1, channels]; the first is the mean's. */
  readonly positionalEmbedding: tf.Variable;
  readonly qkv: Conv1d;
  readonly out: Conv1d;
  readonly heads: number;

  constructor({
    positions,
    channels,
    heads,
    classes,
    ...initial
  }: { positions: number; channels: number; heads: number; classes: number } & Initial) {
    const { init = normalInit(channels ** -0.5), rng } = initial;
    const fans = { fanIn: channels, fanOut: channels };
    const values = init(rng, (positions + 1) * channels, fans);
    this.positionalEmbedding = tf.tidy(() => tf.variable(tf.tensor(values, [positions + 1, channels])));
    this.qkv = new Conv1d({ inChannels: channels, outChannels: 3 * channels, ...initial });
    this.out = new Conv1d({ inChannels: channels, outChannels: classes, ...initial });
    this.heads = heads;
  }

  /** x: [n, h, w, channels] → [n, classes]. @throws RangeError if h·w are not the positions that it was made for. */
  apply(x: tf.Tensor4D): tf.Tensor2D {
    const [n, h, w, c] = x.shape;
    const positions = this.positionalEmbedding.shape[0] - 1;
    if (h * w !== positions)
      throw new RangeError(`AdmClassifier: its pooling knows ${positions} positions, but the images come to ${h}×${w}`);
    const sequence = tf.reshape<tf.Rank.R3>(x, [n, h * w, c]);
    const all = tf.add<tf.Tensor3D>(tf.concat([tf.mean(sequence, 1, true), sequence], 1), this.positionalEmbedding);
    const attended = selfAttention(all, this.qkv, { heads: this.heads, headsFirst: false });
    // The other positions' results are not needed.
    return tf.squeeze(this.out.apply(tf.slice(attended, [0, 0, 0], [n, 1, c])), [1]);
  }
}

/** GroupNorm → SiLU → attention. */
class AttentionHead implements Head {
  readonly norm: GroupNorm;
  readonly pool: AttentionPool;

  constructor({ groups, ...pool }: { groups: number } & ConstructorParameters<typeof AttentionPool>[0]) {
    this.norm = new GroupNorm({ groups, channels: pool.channels });
    this.pool = new AttentionPool(pool);
  }

  apply({ h }: ReturnType<Encoder['apply']>): tf.Tensor2D {
    return this.pool.apply(silu(this.norm.apply(h)));
  }
}

/** Features between the two layers over all levels' means. */
const HIDDEN = 2048;

/** The means of all feature maps through two linear layers, with ReLU or GroupNorm and SiLU between them. */
export class SpatialHead implements Head {
  readonly linear1: Linear;
  readonly norm?: GroupNorm;
  readonly linear2: Linear;

  constructor({
    features,
    groups,
    classes,
    ...initial
  }: { features: number; groups?: number; classes: number } & Initial) {
    this.linear1 = new Linear({ inFeatures: features, outFeatures: HIDDEN, ...initial });
    if (groups !== undefined) this.norm = new GroupNorm({ groups, channels: HIDDEN });
    this.linear2 = new Linear({ inFeatures: HIDDEN, outFeatures: classes, ...initial });
  }

  apply({ h, skips }: ReturnType<Encoder['apply']>): tf.Tensor2D {
    const hidden = this.linear1.apply(tf.concat([...skips, h].map(globalMean), 1));
    if (!this.norm) return this.linear2.apply(tf.relu(hidden));
    const normed = this.norm.apply(tf.reshape(hidden, [hidden.shape[0], 1, 1, HIDDEN]));
    return this.linear2.apply(silu(tf.reshape<tf.Rank.R2>(normed, hidden.shape)));
  }
}

/**
 * ADM's classifier of noised images (Dhariwal & Nichol 2021, §4): the half of its U-Net down to the middle, then pooling
 * and logits.
 */
export class AdmClassifier {
  readonly told: Told;
  readonly encoder: Encoder;
  readonly head: Head;
  readonly patchSize: number;
  readonly conditions: readonly string[] = [];

  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor(
    { numClasses, pool = 'attention', imageSize, ...options }: AdmClassifierOptions,
    weights: AdmWeights = {},
  ) {
    const who = 'AdmClassifier';
    if (!Number.isInteger(numClasses) || numClasses < 1)
      throw new RangeError(`${who}: numClasses must be a whole number of at least 1, got ${numClasses}`);
    const upwards = ['outChannels', 'numHeadsUpsample', 'dropout'].filter((name) => name in options);
    if (upwards.length > 0) throw new RangeError(`${who}: there is no option ${upwards.join(', ')}`);
    const { told, parts, widths, imageChannels, patchSize, groups, numResBlocks, outInit, init, rng } = admParts(
      who,
      options,
      weights,
    );
    this.told = told;
    this.patchSize = patchSize;
    const inChannels = imageChannels * patchSize ** 2;
    this.encoder = new Encoder({ inChannels, widths, numResBlocks, parts, init, rng });
    const channels = widths.at(-1)!;
    const common = { classes: numClasses, init, rng };
    switch (pool) {
      case 'adaptive':
        this.head = new MeanHead({ ...common, groups, channels, init: outInit });
        break;
      case 'attention': {
        const factor = patchSize * 2 ** (widths.length - 1);
        if (imageSize === undefined || imageSize < 1 || imageSize % factor !== 0)
          throw new RangeError(`${who}: pool 'attention' needs imageSize, a multiple of ${factor}, got ${imageSize}`);
        const { numHeadChannels } = options;
        if (numHeadChannels === undefined)
          throw new RangeError(`${who}: pool 'attention' needs numHeadChannels, the channels of a head`);
        if (channels % numHeadChannels !== 0)
          throw new RangeError(`${who}: numHeadChannels (${numHeadChannels}) must divide the last width, ${channels}`);
        const heads = channels / numHeadChannels;
        this.head = new AttentionHead({ ...common, groups, channels, heads, positions: (imageSize / factor) ** 2 });
        break;
      }
      case 'spatial':
      case 'spatial_v2': {
        const maps = widths.flatMap((width, level) =>
          Array<number>(numResBlocks + Number(level < widths.length - 1)).fill(width),
        );
        const features = [widths[0], ...maps, channels].reduce((sum, width) => sum + width);
        if (pool === 'spatial_v2' && HIDDEN % groups !== 0)
          throw new RangeError(`${who}: groups (${groups}) must divide the ${HIDDEN} features of pool 'spatial_v2'`);
        this.head = new SpatialHead({ ...common, features, ...(pool === 'spatial_v2' && { groups }) });
        break;
      }
      default:
        throw new RangeError(
          `${who}: pool must be 'adaptive', 'attention', 'spatial' or 'spatial_v2', got '${String(pool)}'`,
        );
    }
  }

  /**
   * x: [n, h, w, imageChannels], t: [n] → logits [n, numClasses]; h and w multiples of patchSize · 2^(levels − 1), and
   * with `'attention'` imageSize.
   * @throws RangeError if they are not.
   */
  apply(x: tf.Tensor4D, t: tf.Tensor1D): tf.Tensor2D {
    checkInputs('AdmClassifier', this, x, t, {});
    return tf.tidy(() => {
      const { patchSize } = this;
      const emb = silu(this.told.apply(t, {}));
      return this.head.apply(this.encoder.apply(patchSize === 1 ? x : pixelUnshuffle(x, patchSize), { emb }));
    });
  }
}
