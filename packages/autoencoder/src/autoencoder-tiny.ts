import type { Layer } from '@ddpm/layers';
import { Conv2d, GroupNorm, upsampleNearest } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Autoencoder } from './autoencoder';
import { checkSides } from './autoencoder';
import { conv3 } from './blocks';
import { checkNames } from './rombach';

/** Options of an `AutoencoderTiny`. */
export interface AutoencoderTinyOptions {
  /** Channels of the images; 3 by default. */
  imageChannels?: number;
  /** Channels of the latents; 4 by default. */
  latentChannels?: number;
  /** Channels of everything between; 64 by default. */
  width?: number;
  /** Blocks of each level, from full size down; [1, 3, 3, 3] by default. The latents are 2^(levels − 1) times smaller. */
  numEncoderBlocks?: readonly number[];
  /** Blocks of each level of the decoder, from the smallest size up; [3, 3, 3, 1] by default. */
  numDecoderBlocks?: readonly number[];
  /** Whether blocks at the smallest size have a branch with a group norm, which sees the whole image; false by default. */
  pool?: boolean;
  /** See `Autoencoder`; 1 by default. */
  scalingFactor?: number;
  /** See `Autoencoder`; 0 by default. */
  shiftFactor?: number;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

const relu: Layer = { apply: (x) => tf.relu(x) };
/** Latents are kept between −3 and 3. */
const soften = (x: tf.Tensor4D): tf.Tensor4D => tf.mul(tf.tanh(tf.div(x, 3)), 3);
const upsample: Layer = { apply: upsampleNearest };
const run = (layers: readonly Layer[], x: tf.Tensor4D) => layers.reduce((h, layer) => layer.apply(h), x);

/** ReLU(x + three convolutions of x); first x + pool(x), where there is one. */
class TinyBlock {
  readonly conv: readonly Layer[];
  readonly pool?: readonly Layer[];

  constructor({ width, pool, rng }: { width: number; pool: boolean; rng: Random }) {
    const conv = () => conv3({ inChannels: width, outChannels: width, rng });
    const pointwise = (inChannels: number, outChannels: number) =>
      new Conv2d({ inChannels, outChannels, kernelSize: 1, bias: false, rng });
    this.conv = [conv(), relu, conv(), relu, conv()];
    if (pool)
      this.pool = [
        ...[pointwise(width, 4 * width), new GroupNorm({ groups: 4, channels: 4 * width }), relu],
        pointwise(4 * width, width),
      ];
  }

  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const h = this.pool ? tf.add<tf.Tensor4D>(x, run(this.pool, x)) : x;
      return tf.relu(tf.add<tf.Tensor4D>(run(this.conv, h), h));
    });
  }
}

/**
 * A small and fast autoencoder, of convolutions and ReLUs alone (Bohan 2023, TAESD). diffusers' `AutoencoderTiny`, with
 * its names.
 */
export class AutoencoderTiny implements Autoencoder {
  readonly encoder: { readonly layers: readonly Layer[] };
  readonly decoder: { readonly layers: readonly Layer[] };
  readonly imageChannels: number;
  readonly latentChannels: number;
  readonly factor: number;
  readonly scalingFactor: number;
  readonly shiftFactor: number;

  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor({
    imageChannels = 3,
    latentChannels = 4,
    width = 64,
    numEncoderBlocks = [1, 3, 3, 3],
    numDecoderBlocks = [3, 3, 3, 1],
    pool = false,
    scalingFactor = 1,
    shiftFactor = 0,
    seed = 0,
    ...others
  }: AutoencoderTinyOptions = {}) {
    checkNames('AutoencoderTiny', others, []);
    const levels = numEncoderBlocks.length;
    if (levels < 1 || numDecoderBlocks.length !== levels)
      throw new RangeError(
        `AutoencoderTiny: numEncoderBlocks (${numEncoderBlocks.join(', ')}) and numDecoderBlocks (${numDecoderBlocks.join(', ')}) must have as many levels, at least 1`,
      );
    const rng = new Random(seed);
    const blocks = (count: number, smallest: boolean) =>
      Array.from({ length: count }, () => new TinyBlock({ width, pool: pool && smallest, rng }));
    const half = () =>
      new Conv2d({
        ...{ inChannels: width, outChannels: width, kernelSize: 3 },
        ...{ stride: 2, padding: 1, bias: false, rng },
      });
    const double = () => {
      const sizes = { inChannels: width, outChannels: width, kernelSize: 3 };
      return [upsample, new Conv2d({ ...sizes, padding: 1, bias: false, rng })];
    };
    this.encoder = {
      layers: [
        ...numEncoderBlocks.flatMap((count, level) => [
          level === 0 ? conv3({ inChannels: imageChannels, outChannels: width, rng }) : half(),
          ...blocks(count, level === levels - 1),
        ]),
        conv3({ inChannels: width, outChannels: latentChannels, rng }),
      ],
    };
    this.decoder = {
      layers: [
        ...[conv3({ inChannels: latentChannels, outChannels: width, rng }), relu],
        ...numDecoderBlocks.flatMap((count, level) => [
          ...blocks(count, level === 0),
          ...(level < levels - 1 ? double() : [conv3({ inChannels: width, outChannels: imageChannels, rng })]),
        ]),
      ],
    };
    this.imageChannels = imageChannels;
    this.latentChannels = latentChannels;
    this.factor = 2 ** (levels - 1);
    this.scalingFactor = scalingFactor;
    this.shiftFactor = shiftFactor;
  }

  /** [n, h, w, imageChannels] in [−1, 1] → [n, h/factor, w/factor, latentChannels]. */
  encode(images: tf.Tensor4D): tf.Tensor4D {
    checkSides('AutoencoderTiny', 'images', images, this.imageChannels, this.factor);
    return tf.tidy(() => run(this.encoder.layers, tf.div(tf.add(images, 1), 2)));
  }

  /** [n, h, w, latentChannels] → [n, factor·h, factor·w, imageChannels] in [−1, 1]. */
  decode(latents: tf.Tensor4D): tf.Tensor4D {
    checkSides('AutoencoderTiny', 'latents', latents, this.latentChannels);
    return tf.tidy(() => tf.sub<tf.Tensor4D>(tf.mul(run(this.decoder.layers, soften(latents)), 2), 1));
  }

  /** Images reconstructed: decode(encode(images)). */
  apply(images: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => this.decode(this.encode(images)));
  }
}
