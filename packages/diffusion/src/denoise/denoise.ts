import type * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import type { Prediction } from '../parameterisations/parameterisation';

/**
 * x̂_0 of a batch x [n, h, w, c] that is all at one level. What it gives is the caller's. Clipping, guidance,
 * thresholding, inpainting are functions from one to another.
 */
export interface Denoise {
  (x: tf.Tensor4D, level: Level): Promise<Prediction>;
  /** The same without waiting, where all of it is a function of tensors: `chain` needs that. */
  readonly now?: (x: tf.Tensor4D, level: Level) => Prediction;
}

/** A `Denoise` that never has to wait. */
export const immediate = (now: NonNullable<Denoise['now']>): Denoise =>
  // eslint-disable-next-line @typescript-eslint/require-await -- what `now` throws is to be a rejection
  Object.assign(async (x: tf.Tensor4D, level: Level) => now(x, level), { now });

/** A `Denoise` whose predictions are changed by a function, which frees what it replaces. */
export function mapped(denoise: Denoise, change: (prediction: Prediction) => Prediction): Denoise {
  const { now } = denoise;
  return now ? immediate((x, level) => change(now(x, level))) : async (x, level) => change(await denoise(x, level));
}
