import type { Layer } from '@ddpm/layers';
import { Conv2d } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Autoencoder } from './autoencoder';
import { checkSides } from './autoencoder';
import { Decoder, Encoder } from './encoder';
import type { RombachOptions } from './rombach';
import { checkNames, rombachNames, sizesOf } from './rombach';

/** Options of an `AutoencoderKl`; only `blockOutChannels` has no default. */
export interface AutoencoderKlOptions extends RombachOptions {
  /** Channels of the latents; 4 by default. */
  latentChannels?: number;
  /** See `Autoencoder`; 0 by default. */
  shiftFactor?: number;
  /** Whether there is a 1×1 convolution behind the encoder; true by default. */
  useQuantConv?: boolean;
  /** Whether there is one before the decoder; true by default. */
  usePostQuantConv?: boolean;
}

/** A Gaussian for each latent: both [n, h, w, latentChannels]. */
export interface Posterior {
  readonly mean: tf.Tensor4D;
  /** ln σ², between −30 and 20. */
  readonly logVariance: tf.Tensor4D;
}

/**
 * The variational autoencoder of Rombach et al. 2021 with a slight KL penalty, Stable Diffusion's: its encoder gives a
 * Gaussian for each latent. diffusers' `AutoencoderKL`, with its names.
 */
export class AutoencoderKl implements Autoencoder {
  readonly encoder: Layer;
  readonly decoder: Layer;
  readonly quantConv?: Conv2d;
  readonly postQuantConv?: Conv2d;
  readonly imageChannels: number;
  readonly latentChannels: number;
  readonly factor: number;
  readonly scalingFactor: number;
  readonly shiftFactor: number;

  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor({ latentChannels = 4, scalingFactor = 0.18215, shiftFactor = 0, ...options }: AutoencoderKlOptions) {
    const { useQuantConv = true, usePostQuantConv = true, ...rombach } = options;
    checkNames('AutoencoderKl', rombach, rombachNames);
    const sizes = sizesOf('AutoencoderKl', rombach, latentChannels);
    const { imageChannels, widths, rng } = sizes;
    const pointwise = (channels: number) =>
      new Conv2d({ inChannels: channels, outChannels: channels, kernelSize: 1, rng });
    this.encoder = new Encoder({ ...sizes, latentChannels: 2 * latentChannels });
    this.decoder = new Decoder(sizes);
    if (useQuantConv) this.quantConv = pointwise(2 * latentChannels);
    if (usePostQuantConv) this.postQuantConv = pointwise(latentChannels);
    this.imageChannels = imageChannels;
    this.latentChannels = latentChannels;
    this.factor = 2 ** (widths.length - 1);
    this.scalingFactor = scalingFactor;
    this.shiftFactor = shiftFactor;
  }

  /**
   * The Gaussians q(z|x) of images [n, h, w, imageChannels].
   * @throws RangeError unless the factor divides height and width.
   */
  posterior(images: tf.Tensor4D): Posterior {
    checkSides('AutoencoderKl', 'images', images, this.imageChannels, this.factor);
    return tf.tidy(() => {
      const moments = this.encoder.apply(images);
      const [mean, logVariance] = tf.split<tf.Tensor4D>(this.quantConv?.apply(moments) ?? moments, 2, 3);
      return { mean, logVariance: tf.clipByValue<tf.Tensor4D>(logVariance, -30, 20) };
    });
  }

  /** The posterior's mean: [n, h, w, imageChannels] → [n, h/factor, w/factor, latentChannels]. */
  encode(images: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => this.posterior(images).mean);
  }

  /** z: [n, h, w, latentChannels] → [n, factor·h, factor·w, imageChannels]. */
  decode(latents: tf.Tensor4D): tf.Tensor4D {
    checkSides('AutoencoderKl', 'latents', latents, this.latentChannels);
    return tf.tidy(() => this.decoder.apply(this.postQuantConv?.apply(latents) ?? latents));
  }

  /** Images reconstructed: decode(encode(images)). */
  apply(images: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => this.decode(this.encode(images)));
  }
}

/** z = mean + σ ε, with ε ~ N(0, 1) of the posterior's shape. */
export const samplePosterior = ({ mean, logVariance }: Posterior, noise: tf.Tensor4D): tf.Tensor4D =>
  tf.tidy(() => tf.add(mean, tf.mul(tf.exp(tf.mul(logVariance, 0.5)), noise)));
