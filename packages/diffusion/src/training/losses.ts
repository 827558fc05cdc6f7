import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../network';
import { extract, noiseLevel } from '../noise-level';
import type { Objective } from '../objective';
import { epsilon } from '../objective';
import { qSample } from '../q-sample';

/** The loss of one element, given the error e = target − output. */
const elementLosses = {
  /** |e| */
  l1: (error: tf.Tensor) => tf.abs(error),
  /** e² */
  l2: (error: tf.Tensor) => tf.square(error),
  /** e²/2 where |e| < 1, |e| − 1/2 elsewhere: PyTorch's smooth L1 with β = 1. Written as min(|e|, 1)·(|e| − min(|e|, 1)/2). */
  huber: (error: tf.Tensor) => {
    const magnitude = tf.abs(error);
    const clipped = tf.minimum(magnitude, 1);
    return tf.mul(clipped, tf.sub(magnitude, tf.mul(clipped, 0.5)));
  },
};

/**
 * How an error e = target − output counts: |e|, e², or e²/2 where |e| < 1 and |e| − 1/2 elsewhere (PyTorch's smooth L1).
 * @useDeclaredType
 */
export type LossName = keyof typeof elementLosses;
/** Every `LossName`. */
export const lossNames = Object.keys(elementLosses) as LossName[];

/** What kind of loss to take. */
export interface LossOptions {
  /** 'l1' by default, as the tutorial's `p_losses`. */
  loss?: LossName;
  /** What the network predicts; `epsilon` by default. */
  objective?: Objective;
  /** What the loss at each t counts for, T numbers; see `minSnrWeights`. */
  weights?: Float64Array;
  /** Given to the network; the first axis of each is the batch. */
  condition?: Readonly<Record<string, tf.Tensor>>;
}

/**
 * The training loss of each image (Ho et al. 2020, eq. 14 and Algorithm 1): the mean over its elements of the loss between the objective's
 * target and the network's output at x_t. xStart, noise: [n, h, w, c]; t: [n] int32 → [n].
 * @throws RangeError if the loss has no such name, or the network's output is not shaped like x_t.
 */
export function pLossesPerImage(
  schedule: NoiseSchedule,
  network: Network,
  xStart: tf.Tensor4D,
  t: tf.Tensor1D,
  noise: tf.Tensor4D,
  { loss = 'l1', objective = epsilon, weights, condition }: LossOptions = {},
): tf.Tensor1D {
  if (!Object.hasOwn(elementLosses, loss)) throw new RangeError(`pLosses: the loss must be one of ${lossNames.join(', ')}, got '${loss}'`);
  return tf.tidy(() => {
    const output = network.apply(qSample(schedule, xStart, t, noise), t, condition);
    if (output.shape.join() !== xStart.shape.join()) {
      throw new RangeError(
        `pLosses: the network's output should have the shape of its input, [${xStart.shape.join(', ')}], not [${output.shape.join(', ')}]`,
      );
    }
    const error = tf.sub(objective.target(noiseLevel(schedule, t), xStart, noise), output);
    const perImage = tf.mean<tf.Tensor1D>(elementLosses[loss](error), [1, 2, 3]);
    return weights ? tf.mul(perImage, tf.reshape(extract(weights, t), [-1])) : perImage;
  });
}

/**
 * The training loss of a batch: the mean of `pLossesPerImage`, whose arguments it takes, a scalar.
 * @throws RangeError as that does
 */
export function pLosses(...args: Parameters<typeof pLossesPerImage>): tf.Scalar {
  return tf.tidy(() => tf.mean(pLossesPerImage(...args)));
}
