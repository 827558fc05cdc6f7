import type { Batch, Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Autoencoder } from './autoencoder';
import { AutoencoderKl } from './autoencoder-kl';

/**
 * Images [n, h, w, c] → an encoder's results [n, h', w', channels], all that latents are made of: of a KL autoencoder
 * the means of its Gaussians and, behind them along the channels, their ln σ²; of others the latents.
 */
export const encodings = (autoencoder: Autoencoder, images: tf.Tensor4D): tf.Tensor4D =>
  tf.tidy(() => {
    if (!(autoencoder instanceof AutoencoderKl)) return autoencoder.encode(images);
    const { mean, logVariance } = autoencoder.posterior(images);
    return tf.concat([mean, logVariance], 3);
  });

/** How latents are made of encodings, and given to a task; `latentChannels` is needed. */
export interface OverLatentsOptions {
  /** Channels of the latents; encodings have as many, or twice as many. */
  readonly latentChannels: number;
  /** One over the latents' standard deviation, as `latentStatistics` measures it; 1 by default. */
  readonly scalingFactor?: number;
  /** The latents' mean; 0 by default. */
  readonly shiftFactor?: number;
  /** Whether latents are drawn anew from the Gaussians of a KL autoencoder, instead of their means; false by default. */
  readonly fromPosterior?: boolean;
}

/**
 * Latents of encodings, both along the rows of arrays: (z − shiftFactor) · scalingFactor, where z is the mean or, with
 * noise, mean + σ ε.
 * @param data [n, h, w, latentChannels], or [n, h, w, 2 · latentChannels] with ln σ² behind the means
 * @param channels of the encodings
 * @param noise ε ~ N(0, 1), [n, h, w, latentChannels]
 */
export function latentsOf(
  data: ArrayLike<number>,
  channels: number,
  { latentChannels, scalingFactor = 1, shiftFactor = 0 }: Omit<OverLatentsOptions, 'fromPosterior'>,
  noise?: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const latents = new Float32Array((data.length / channels) * latentChannels);
  for (let k = 0; k < latents.length; k++) {
    const at = Math.floor(k / latentChannels) * channels + (k % latentChannels);
    const z = noise ? data[at] + Math.exp(data[at + latentChannels] / 2) * noise[k] : data[at];
    latents[k] = (z - shiftFactor) * scalingFactor;
  }
  return latents;
}

/**
 * A task of images, such as `denoising`, as one of latents: latent diffusion (Rombach et al. 2021). The `image` of its
 * examples are encodings, made once by `encodings`; it is given (latents − shiftFactor) · scalingFactor in their place.
 */
export function overLatents(task: Task, { fromPosterior = false, ...scale }: OverLatentsOptions): Task {
  const { latentChannels } = scale;
  return {
    ...task,
    /** @throws RangeError if the examples are no such encodings */
    draw(examples, rng): Batch {
      const { data, item } = examples.image;
      const [h, w, channels] = item;
      if (channels !== 2 * latentChannels && (channels !== latentChannels || fromPosterior))
        throw new RangeError(
          `overLatents: encodings should have ${fromPosterior ? 2 * latentChannels : `${latentChannels} or ${2 * latentChannels}`} channels, got ${channels}`,
        );
      const noise = fromPosterior ? rng.normals((data.length / channels) * latentChannels) : undefined;
      const latents = latentsOf(data, channels, scale, noise);
      return task.draw({ ...examples, image: { data: latents, item: [h, w, latentChannels] } }, rng);
    },
  };
}

/** Images [n, h, w, c] of what a diffusion model drew over latents, [n, h', w', latentChannels]. */
export const fromLatents = (
  latents: tf.Tensor4D,
  {
    autoencoder,
    scalingFactor = autoencoder.scalingFactor,
    shiftFactor = autoencoder.shiftFactor,
  }: { readonly autoencoder: Autoencoder } & Pick<OverLatentsOptions, 'scalingFactor' | 'shiftFactor'>,
): tf.Tensor4D => tf.tidy(() => autoencoder.decode(tf.add(tf.div(latents, scalingFactor), shiftFactor)));

/**
 * Mean and standard deviation of latents, over all of their values: `overLatents` is to be given the mean as
 * `shiftFactor`, and one over the deviation as `scalingFactor`.
 */
export function latentStatistics(latents: ArrayLike<number>): { mean: number; std: number } {
  let sum = 0;
  for (let i = 0; i < latents.length; i++) sum += latents[i];
  const mean = sum / latents.length;
  let squares = 0;
  for (let i = 0; i < latents.length; i++) squares += (latents[i] - mean) ** 2;
  return { mean, std: Math.sqrt(squares / latents.length) };
}
