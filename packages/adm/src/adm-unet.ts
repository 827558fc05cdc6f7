import { Embedding, sinusoidalEmbedding, zeroInit } from '@ddpm/layers';
import type { Init } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { QkvAttention } from './attention';
import type { Initial, Resampling } from './blocks';
import { ConvDownsample, ConvUpsample, plainResampler } from './blocks';
import { EmbeddingMlp } from './embedding';
import type { Parts } from './encoder';
import { ResBlock } from './res-block';
import type { Condition, Context, Told } from './unet';
import { Unet } from './unet';

/** Options of an `AdmUnet` and of an `AdmClassifier`; only `modelChannels` has no default. */
export interface AdmOptions {
  /** Channels of the images; 3 by default. */
  imageChannels?: number;
  /** Width of the first level where its multiple is 1, and of the time's sinusoids; even. */
  modelChannels: number;
  /** Each level's width as a multiple of modelChannels, from full size down; [1, 2, 4, 8] by default. */
  channelMult?: readonly number[];
  /** Residual blocks of a level on the way down, and one less than on the way up; 2 by default. */
  numResBlocks?: number;
  /** Where there is attention: how often the first level's size is halved there, as a factor, so 1, 2, 4 …; nowhere by default but in the middle. */
  attentionResolutions?: readonly number[];
  /** Heads of an attention; 1 by default. */
  numHeads?: number;
  /** Channels of a head, instead of a number of heads. */
  numHeadChannels?: number;
  /** Whether blocks are told the noise level by a scale and shift of their second norm, or by an addition; true by default. */
  useScaleShiftNorm?: boolean;
  /** Whether residual blocks change the size, or a convolution does; false by default. */
  resblockUpdown?: boolean;
  /** Whether there is a convolution where the size changes outside residual blocks; true by default. */
  convResample?: boolean;
  /** Groups of the norms, which must divide every level's width; 32 by default. */
  groups?: number;
  /** Squares of so many pixels on a side are one position of the first level; 1 by default. */
  patchSize?: number;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** Options of an `AdmUnet`; only `modelChannels` has no default. */
export interface AdmUnetOptions extends AdmOptions {
  /** Channels of the output; by default those of the images. */
  outChannels?: number;
  /** Heads of an attention on the way up; numHeads by default. */
  numHeadsUpsample?: number;
  /** How often a value that a block's second convolution takes is dropped in training; 0 by default. */
  dropout?: number;
  /** Makes it take the condition `label`: classes 0 … numClasses − 1, and `numClasses` for none of them. */
  numClasses?: number;
  /** A sequence that attention reads; its pooled vectors have 4·modelChannels features. */
  context?: Context;
}

/** Options that only weights which come from elsewhere decide. */
export interface AdmWeights {
  /** How weights begin that are not 0; as PyTorch's by default. */
  init?: Init;
  /** Whether there is one class more, for none of them. */
  withNoClass?: boolean;
  /** Whether each head's q, k and v stand together. */
  headsFirst?: boolean;
}

/**
 * The vector for all blocks of this family's networks: sinusoids of t through two linear layers, plus the class's
 * vector.
 */
class AdmEmbedding implements Told {
  readonly time: EmbeddingMlp;
  readonly label?: Embedding;
  readonly conditions: readonly string[];
  private readonly dim: number;

  constructor({ dim, classes, ...initial }: { dim: number; classes?: number } & Initial, ofClasses: Initial) {
    this.dim = dim;
    this.time = new EmbeddingMlp({ inFeatures: dim, embDim: 4 * dim, ...initial });
    this.conditions = classes === undefined ? [] : ['label'];
    if (classes !== undefined)
      this.label = new Embedding({ numEmbeddings: classes, embeddingDim: 4 * dim, ...ofClasses });
  }

  apply(t: tf.Tensor1D, { label }: Condition): tf.Tensor2D {
    const time = this.time.apply(sinusoidalEmbedding(t, { dim: this.dim, cosFirst: true }));
    return this.label ? tf.add(time, this.label.apply(label as tf.Tensor1D)) : time;
  }
}

/** The widths and the parts that options ask for. */
export function admParts(
  who: string,
  {
    imageChannels = 3,
    outChannels = imageChannels,
    modelChannels,
    channelMult = [1, 2, 4, 8],
    numResBlocks = 2,
    attentionResolutions = [],
    numHeads = 1,
    numHeadChannels,
    numHeadsUpsample = numHeads,
    numClasses,
    context,
    dropout = 0,
    useScaleShiftNorm = true,
    resblockUpdown = false,
    convResample = true,
    groups = 32,
    patchSize = 1,
    seed = 0,
    ...unknown
  }: AdmUnetOptions,
  { init, withNoClass = true, headsFirst = false }: AdmWeights = {},
) {
  const strangers = Object.keys(unknown);
  if (strangers.length > 0) throw new RangeError(`${who}: there is no option ${strangers.join(', ')}`);
  const whole = (name: string, value: number | undefined) => {
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      throw new RangeError(`${who}: ${name} must be a whole number of at least 1, got ${value}`);
  };
  for (const [name, value] of Object.entries({
    imageChannels,
    outChannels,
    modelChannels,
    numResBlocks,
    numHeads,
    numHeadChannels,
    numHeadsUpsample,
    numClasses,
    groups,
    patchSize,
  }))
    whole(name, value);
  if (modelChannels % 2 !== 0)
    throw new RangeError(`${who}: modelChannels must be even, for the time's sinusoids, got ${modelChannels}`);
  if (channelMult.length === 0) throw new RangeError(`${who}: channelMult must name at least one level`);
  const widths = channelMult.map((mult) => Math.trunc(mult * modelChannels));
  const unfit = widths.filter((width) => width < 1 || width % groups !== 0);
  if (unfit.length > 0)
    throw new RangeError(
      `${who}: groups (${groups}) must divide every width, but not so ${unfit.join(', ')} (modelChannels ${modelChannels} × channelMult)`,
    );
  const factors = widths.map((_, level) => 2 ** level);
  const beyond = attentionResolutions.filter((factor) => !factors.includes(factor));
  if (beyond.length > 0)
    throw new RangeError(
      `${who}: attentionResolutions must be among ${factors.join(', ')}, by which the ${factors.length} levels are smaller than the first, got ${beyond.join(', ')}`,
    );

  const initial: Initial = { init, rng: new Random(seed) };
  const embDim = 4 * modelChannels;
  const outInit = zeroInit;
  const style = { embDim, groups, scaleShift: useScaleShiftNorm, outInit, ...initial };
  const attention = (channels: number, heads: number) => {
    if (numHeadChannels !== undefined && channels % numHeadChannels !== 0)
      throw new RangeError(
        `${who}: numHeadChannels (${numHeadChannels}) must divide the width where there is attention, ${channels}`,
      );
    if (numHeadChannels === undefined && channels % heads !== 0)
      throw new RangeError(
        `${who}: the number of heads (${heads}) must divide the width where there is attention, ${channels}`,
      );
    const count = numHeadChannels === undefined ? heads : channels / numHeadChannels;
    return new QkvAttention({
      channels,
      heads: count,
      headsFirst,
      contextDim: context?.width,
      groups,
      outInit,
      ...initial,
    });
  };
  const block = (inChannels: number, outChannels: number, resampling?: Resampling) =>
    new ResBlock({ inChannels, outChannels, resampling, ...style });
  const parts: Parts = {
    block,
    attention: (direction, level, channels) =>
      attentionResolutions.includes(2 ** level)
        ? attention(channels, direction === 'down' ? numHeads : numHeadsUpsample)
        : undefined,
    resampler: (direction, _, channels) => {
      if (resblockUpdown) return block(channels, channels, direction);
      if (!convResample) return plainResampler(direction);
      return direction === 'down'
        ? new ConvDownsample({ channels, ...initial })
        : new ConvUpsample({ channels, ...initial });
    },
    middle: (channels) => [
      { block: block(channels, channels), attention: attention(channels, numHeads) },
      { block: block(channels, channels) },
    ],
  };
  // The classes are from a stream of their own, so that they change no other weight.
  const ofClasses: Initial = { init, rng: new Random([seed, 'classes']) };
  const classes = numClasses === undefined ? undefined : numClasses + Number(withNoClass);
  const told = new AdmEmbedding({ dim: modelChannels, classes, ...initial }, ofClasses);
  return {
    ...{ imageChannels, outChannels, widths, numResBlocks, told, context, parts, dropout, groups, patchSize, outInit },
    ...initial,
  };
}

/**
 * ADM, the U-Net of Dhariwal & Nichol 2021: residual blocks with adaptive group normalisation, self-attention at chosen
 * levels, and branches that add nothing at first, since their last layers begin at 0. With `patchSize`, squares of
 * pixels are channels, so that all the work is at a smaller size.
 */
export class AdmUnet extends Unet {
  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor(options: AdmUnetOptions, weights: AdmWeights = {}) {
    super({ who: 'AdmUnet', ...admParts('AdmUnet', options, weights) });
  }
}
