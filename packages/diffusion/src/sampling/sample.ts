import type { NormalSource } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise } from '../denoise/denoise';
import type { Evaluation, Sampler } from './sampler';

/** The state of the images after a step of `sample`. */
export interface SampleStep {
  /** From 0, or `from`. */
  readonly index: number;
  /** How many steps there are. */
  readonly steps: number;
  /** x after the step, [n, h, w, c]; the caller of `sample` must clone what is to outlive the callback. */
  readonly x: tf.Tensor4D;
  /** x̂_0 at the step. */
  readonly x0: tf.Tensor4D;
}

/** How to draw; `sampler` and `rng` are needed. */
export interface SampleOptions {
  /** The way from noise to images, such as `ddim(trailing(schedule, 50))`. */
  sampler: Sampler;
  /** Draws the noise of the sampler's steps. */
  rng: NormalSource;
  /**
   * Which of the sampler's levels to begin at, where xT is then x; 0 by default. With `qSample` of an image at that
   * level it makes variants of the image (Meng et al. 2021, SDEdit).
   */
  from?: number;
  /** Called after every step, and awaited. */
  onStep?: (step: SampleStep) => void | Promise<void>;
}

/**
 * Draws images: from x_T, noise [n, h, w, c], to x_0 of the same shape, through every step of the sampler, or those
 * from a later level on. The caller owns the result, and keeps xT.
 * @throws RangeError if there is no step that begins at `from`
 */
export async function sample(
  denoise: Denoise,
  xT: tf.Tensor4D,
  { sampler, rng, from = 0, onStep }: SampleOptions,
): Promise<tf.Tensor4D> {
  const { levels, memory = 1 } = sampler;
  const steps = levels.length - 1;
  if (!Number.isInteger(from) || from < 0 || from >= steps)
    throw new RangeError(
      `sample: from must be a whole number from 0 to ${steps - 1}, where the last step begins; got ${from}`,
    );
  /** The newest first. */
  const evaluations: Evaluation[] = [];
  let x = tf.clone(xT);
  try {
    for (let index = from; index < steps; index++) {
      const evaluation: Evaluation = { ...(await denoise(x, levels[index])), x, level: levels[index] };
      evaluations.unshift(evaluation);
      x = tf.tidy(() => sampler.step(index, evaluations as [Evaluation, ...Evaluation[]], rng));
      await onStep?.({ index, steps, x, x0: evaluation.x0 });
      for (const old of evaluations.splice(memory - 1)) free(old);
    }
  } catch (error) {
    x.dispose();
    throw error;
  } finally {
    // x may be what the failed step began with.
    for (const old of evaluations) free(old);
  }
  return x;
}

/** Frees the tensors of an evaluation, those that a later parameterisation adds included. */
const free = ({ level: _, ...tensors }: Evaluation) => tf.dispose(Object.values(tensors));
