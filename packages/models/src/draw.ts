import type { AsyncNetworkFunction, Network, Parameterisation, Sampler, SampleStep } from '@ddpm/diffusion';
import { clipped, denoiser, sample } from '@ddpm/diffusion';
import { Random, sideBySide } from '@ddpm/random';
import type { Batch } from '@ddpm/train';
import { part, tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';

/** A denoiser, a sampler, and which images to draw by them. */
export interface DrawOptions {
  /** The denoiser. */
  network: Network | AsyncNetworkFunction;
  /** The meaning of its output. */
  parameterisation: Parameterisation;
  /** The way from noise to images. */
  sampler: Sampler;
  /** The shape of an image. */
  image: readonly [h: number, w: number, c: number];
  /** How many images. */
  count: number;
  /** An image's noise follows from this and its number alone. */
  seed: number;
  /** The factor of N(0, I) that makes x_T; 1 by default. Levels other than a schedule's need another (`initialScale`). */
  initialScale?: number;
  /** How many at a time; it does not change them. All by default. */
  batch?: number;
  /** The network's condition for each image: as many examples as images. */
  condition?: Batch;
  /** Whether every x̂_0 is kept within [−1, 1]; it is by default. */
  clip?: boolean;
  /** Called after every step of every batch, whose first image has the number `first`, and awaited. */
  onStep?: (step: SampleStep & { readonly first: number }) => void | Promise<void>;
}

/**
 * Draws images, [count, h, w, c] in about [−1, 1]. An image depends on the seed and its number alone, not on the batch
 * that it is drawn in.
 */
export async function draw({
  network,
  parameterisation,
  sampler,
  image,
  count,
  seed,
  initialScale = 1,
  batch = count,
  condition,
  clip = true,
  onStep,
}: DrawOptions): Promise<Float32Array> {
  const size = tf.util.sizeFromShape([...image]);
  const values = new Float32Array(count * size);
  for (let first = 0; first < count; first += batch) {
    const n = Math.min(batch, count - first);
    const rng = sideBySide(Array.from({ length: n }, (_, i) => new Random([seed, 'sample', first + i])));
    const noise = rng.normals(n * size).map((z) => initialScale * z);
    const xT = tf.tensor4d(noise, [n, ...image]);
    const given = condition && tensors(part(condition, first, first + n));
    let x0: tf.Tensor4D | undefined;
    try {
      const denoise = denoiser(network, { parameterisation, condition: given });
      x0 = await sample(clip ? clipped(denoise) : denoise, xT, {
        sampler,
        rng,
        onStep: (step) => onStep?.({ ...step, first }),
      });
      values.set(await x0.data<'float32'>(), first * size);
    } finally {
      tf.dispose([xT, x0, Object.values(given ?? {})]);
    }
  }
  return values;
}
