import type { Layer } from '@ddpm/layers';
import { Conv2d } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Autoencoder } from './autoencoder';
import { checkSides } from './autoencoder';
import { Decoder, Encoder } from './encoder';
import type { RombachOptions } from './rombach';
import { checkNames, rombachNames, sizesOf } from './rombach';
import { VectorQuantizer } from './vector-quantizer';

/** Options of an `AutoencoderVq`; only `blockOutChannels` has no default. */
export interface AutoencoderVqOptions extends RombachOptions {
  /** Channels of the latents; 3 by default. */
  latentChannels?: number;
  /** How many codes there are; 256 by default. */
  numVqEmbeddings?: number;
  /** Channels of a code; latentChannels by default. */
  vqEmbedDim?: number;
}

/**
 * The autoencoder of Rombach et al. 2021 whose latents are replaced by the nearest codes of a codebook. diffusers'
 * `VQModel`, with its names. Its latents are those before the codebook.
 */
export class AutoencoderVq implements Autoencoder {
  readonly encoder: Layer;
  readonly quantConv: Conv2d;
  readonly quantize: VectorQuantizer;
  readonly postQuantConv: Conv2d;
  readonly decoder: Layer;
  readonly imageChannels: number;
  /** Channels of a code, which are what a diffusion model has to do with. */
  readonly latentChannels: number;
  readonly factor: number;
  readonly scalingFactor: number;
  readonly shiftFactor = 0;

  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor({
    latentChannels = 3,
    numVqEmbeddings = 256,
    vqEmbedDim = latentChannels,
    scalingFactor = 0.18215,
    ...options
  }: AutoencoderVqOptions) {
    checkNames('AutoencoderVq', options, rombachNames);
    const sizes = sizesOf('AutoencoderVq', options, latentChannels);
    const { imageChannels, widths, rng } = sizes;
    this.encoder = new Encoder(sizes);
    this.quantConv = new Conv2d({ inChannels: latentChannels, outChannels: vqEmbedDim, kernelSize: 1, rng });
    this.quantize = new VectorQuantizer({ codes: numVqEmbeddings, channels: vqEmbedDim, rng });
    this.postQuantConv = new Conv2d({ inChannels: vqEmbedDim, outChannels: latentChannels, kernelSize: 1, rng });
    this.decoder = new Decoder(sizes);
    this.imageChannels = imageChannels;
    this.latentChannels = vqEmbedDim;
    this.factor = 2 ** (widths.length - 1);
    this.scalingFactor = scalingFactor;
  }

  /**
   * [n, h, w, imageChannels] → what is to be quantised, [n, h/factor, w/factor, vqEmbedDim].
   * @throws RangeError unless the factor divides height and width.
   */
  encode(images: tf.Tensor4D): tf.Tensor4D {
    checkSides('AutoencoderVq', 'images', images, this.imageChannels, this.factor);
    return tf.tidy(() => this.quantConv.apply(this.encoder.apply(images)));
  }

  /** Latents, replaced by the nearest codes, as images: [n, h, w, vqEmbedDim] → [n, factor·h, factor·w, imageChannels]. */
  decode(latents: tf.Tensor4D): tf.Tensor4D {
    checkSides('AutoencoderVq', 'latents', latents, this.latentChannels);
    return tf.tidy(() => this.decodeCodes(this.quantize.nearest(latents)));
  }

  /** Images reconstructed: decode(encode(images)). */
  apply(images: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => this.decode(this.encode(images)));
  }

  /** Codes as images, without looking for the nearest: [n, h, w, vqEmbedDim] → [n, factor·h, factor·w, imageChannels]. */
  decodeCodes(codes: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => this.decoder.apply(this.postQuantConv.apply(codes)));
  }
}
