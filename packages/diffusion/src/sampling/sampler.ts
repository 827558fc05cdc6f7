import type { NormalSource } from '@ddpm/random';
import type * as tf from '@tensorflow/tfjs-core';

/** One reverse step: from x_t and the network's x̂_0 to the next, less noisy x. Tensors are [n, h, w, c]; they stay the caller's. */
export interface SamplerStep {
  /** The noisy images. */
  readonly xt: tf.Tensor4D;
  /** The network's x̂_0. */
  readonly xStart: tf.Tensor4D;
  /** Which of `timesteps` x_t is at. */
  readonly index: number;
  /** Draws the noise that the step adds, if any. */
  readonly rng: NormalSource;
}

/** A way from noise to images: which noise levels to visit, and how to get from each to the next. */
export interface Sampler {
  /** The t of each network call, in the order of the calls: from noise to image. */
  readonly timesteps: readonly number[];
  /** The next x, [n, h, w, c], which the caller owns. */
  step(step: SamplerStep): tf.Tensor4D;
}
