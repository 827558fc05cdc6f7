import type { Batch, Task, Variables } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Autoencoder } from './autoencoder';
import { AutoencoderKl, samplePosterior } from './autoencoder-kl';
import { imageOf } from './autoencoding';

/** An autoencoder, and how its latents are given to the task. */
export interface OverLatentsOptions {
  readonly autoencoder: Autoencoder;
  /** Its variables by name, as `namedParameters({ autoencoder })` gives them. */
  readonly parameters: Variables;
  /** One over the latents' standard deviation, as `latentStatistics` measures it; the autoencoder's own by default. */
  readonly scalingFactor?: number;
  /** The latents' mean; the autoencoder's own by default. */
  readonly shiftFactor?: number;
  /** Whether a KL autoencoder's latents are drawn anew from their posterior, instead of its mean; false by default. */
  readonly fromPosterior?: boolean;
}

/**
 * A task of images, such as `denoising`, as one of latents: latent diffusion (Rombach et al. 2021). Its examples are
 * images; the task is given (latents − shiftFactor) · scalingFactor in their place. The autoencoder is frozen.
 * @throws RangeError if latents are to be drawn from the posterior of an autoencoder that has none
 */
export function overLatents(
  task: Task,
  {
    autoencoder,
    parameters,
    scalingFactor = autoencoder.scalingFactor,
    shiftFactor = autoencoder.shiftFactor,
    fromPosterior = false,
  }: OverLatentsOptions,
): Task {
  if (fromPosterior && !(autoencoder instanceof AutoencoderKl))
    throw new RangeError('overLatents: latents are drawn from the posterior of a KL autoencoder, and this is none');
  const { factor, latentChannels } = autoencoder;
  return {
    ...task,
    frozen: new Map([...(task.frozen ?? []), ...parameters]),
    draw(examples, rng): Batch {
      const { image } = examples;
      const [h, w, c] = image.item;
      const item = [h / factor, w / factor, latentChannels];
      const size = (image.data.length / (h * w * c)) * item.reduce((product, length) => product * length, 1);
      // The task draws what it draws for data of this shape, whose values only its loss looks at.
      const drawn = task.draw({ ...examples, image: { data: new Float32Array(size), item } }, rng);
      return { ...drawn, image, ...(fromPosterior && { posteriorNoise: { data: rng.normals(size), item } }) };
    },
    loss({ posteriorNoise, ...inputs }) {
      const image = imageOf(inputs);
      const latents =
        autoencoder instanceof AutoencoderKl && posteriorNoise
          ? samplePosterior(autoencoder.posterior(image), posteriorNoise as tf.Tensor4D)
          : autoencoder.encode(image);
      return task.loss({ ...inputs, image: tf.mul(tf.sub(latents, shiftFactor), scalingFactor) });
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
  }: Pick<OverLatentsOptions, 'autoencoder' | 'scalingFactor' | 'shiftFactor'>,
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
