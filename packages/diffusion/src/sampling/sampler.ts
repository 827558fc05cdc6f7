import type { NormalSource } from '@ddpm/random';
import type * as tf from '@tensorflow/tfjs-core';

/** One reverse step: from x_t and the network's x̂_0 to the next, less noisy x. Tensors are [n, h, w, c]; they stay the caller's. */
export interface SamplerStep {
  readonly xt: tf.Tensor4D;
  readonly xStart: tf.Tensor4D;
  /** Which of `timesteps` x_t is at. */
  readonly index: number;
  readonly rng: NormalSource;
}

export interface Sampler {
  /** The t of each network call, in the order of the calls: from noise to image. */
  readonly timesteps: readonly number[];
  step(step: SamplerStep): tf.Tensor4D;
}
