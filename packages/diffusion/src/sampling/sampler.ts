import type * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import type { Prediction } from '../parameterisations/parameterisation';

/** x̂_0 as the network predicted it, with the x and the level that it was asked of. */
export interface Evaluation extends Prediction {
  /** The noisy images, [n, h, w, c]. */
  readonly x: tf.Tensor4D;
  /** How noisy they are. */
  readonly level: Level;
}

/** Draws the noise of a sampler's steps. */
export interface NoiseSource {
  /** So many values of N(0, 1). */
  normals(n: number): Float32Array;
  /** The same as a tensor, where it has been drawn ahead. */
  tensor?(shape: readonly [number, number, number, number]): tf.Tensor4D;
}

/** A way from noise to images. */
export interface Sampler {
  /** Where the network is asked, in order, and at last where the images are. A level may stand twice. */
  readonly levels: readonly Level[];
  /** How many evaluations a step looks back on, its own included; 1 by default. */
  readonly memory?: number;
  /**
   * x at levels[index + 1], a new tensor, given the evaluations so far, the newest first, and what draws the noise that
   * the step adds, if any. It stands within a `tf.tidy`, and leaves its arguments alone.
   */
  step(index: number, evaluations: readonly [Evaluation, ...Evaluation[]], rng: NoiseSource): tf.Tensor4D;
}
