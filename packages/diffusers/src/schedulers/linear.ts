import type { Evaluation, Level, Sampler } from '@ddpm/diffusion';
import * as tf from '@tensorflow/tfjs-core';
import { outputOf } from './denoise';

/** x at the next level as a sum over the evaluations so far, the newest first, and noise. */
export interface Step {
  /** How much of each x. */
  readonly x?: readonly number[];
  /** How much of each x̂_0. */
  readonly x0?: readonly number[];
  /** How much of each ε̂. */
  readonly epsilon?: readonly number[];
  /** How much of each of the network's outputs, before clipping and thresholding. */
  readonly output?: readonly number[];
  /** How much noise; drawn, where it is said, even if it is 0. */
  readonly noise?: number;
}

/** How far sums look back, and where sampling may begin. */
export interface LinearOptions {
  /** How many evaluations, the newest included; 1 by default. */
  readonly memory?: number;
  /** Whether sampling must begin at the first level; false by default. */
  readonly whole?: boolean;
  /** ε̂ of an evaluation, where steps have some of it. */
  readonly noiseIn?: (evaluation: Evaluation) => tf.Tensor4D;
}

/**
 * The sampler whose steps are sums. All that diffusers' schedulers do to tensors is one, but for a learned variance.
 * @param who what errors begin with
 * @param levels where the network is asked, and where the image is
 * @param step the sum at a level, given how many evaluations there are, its own included
 * @throws RangeError if a step from the first level on is no number
 */
export function linear(
  who: string,
  levels: readonly Level[],
  step: (index: number, known: number) => Step,
  { memory = 1, whole = false, noiseIn }: LinearOptions = {},
): Sampler {
  levels.slice(1).forEach((_, index) => {
    const { x = [], x0 = [], epsilon = [], output = [], noise = 0 } = step(index, Math.min(index + 1, memory));
    if (![...x, ...x0, ...epsilon, ...output, noise].every(Number.isFinite))
      throw new RangeError(
        `schedulerFromConfig: with these options ${who}'s step ${index + 1} of ${levels.length - 1} is no number, in diffusers too`,
      );
  });
  return {
    levels,
    memory,
    step(index, evaluations, rng) {
      const known = evaluations.length;
      if (whole && known < Math.min(index + 1, memory))
        throw new RangeError(`${who}: sampling must begin at level 0, not in the middle`);
      const { x = [], x0 = [], epsilon = [], output = [], noise } = step(index, known);
      const parts = evaluations.flatMap((evaluation, k) => [
        ...part(x[k], evaluation.x),
        ...part(x0[k], evaluation.x0),
        ...(epsilon[k] ? part(epsilon[k], noiseIn!(evaluation)) : []),
        ...(output[k] ? part(output[k], outputOf(who, evaluation)) : []),
      ]);
      if (noise !== undefined) {
        const fresh = tf.tensor4d(rng.normals(evaluations[0].x.size), evaluations[0].x.shape);
        parts.push(...part(noise, fresh));
      }
      return parts.length > 0 ? tf.addN(parts) : tf.zerosLike(evaluations[0].x);
    },
  };
}

const part = (factor: number | undefined, tensor: tf.Tensor4D): tf.Tensor4D[] =>
  factor === undefined || factor === 0 ? [] : [tf.mul<tf.Tensor4D>(tensor, factor)];
