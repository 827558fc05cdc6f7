import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../network';
import { noiseLevel } from '../noise-level';
import type { Objective } from '../objective';
import { epsilon } from '../objective';
import { ancestralStep } from './ddpm';

/**
 * One step of Algorithm 2 (Ho et al. 2020), from x_t to x_{t−1}: mean + √β̃_t z, and at t = 0 the mean. `sample` does all of them.
 * xt, z: [n, h, w, c]; t is the whole batch's.
 */
export function pSample(
  schedule: NoiseSchedule,
  network: Network,
  xt: tf.Tensor4D,
  t: number,
  z: tf.Tensor4D,
  { objective = epsilon, condition }: { objective?: Objective; condition?: Readonly<Record<string, tf.Tensor>> } = {},
): tf.Tensor4D {
  return tf.tidy(() => {
    const ts = tf.fill<tf.Rank.R1>([xt.shape[0]], t, 'int32');
    const xStart = objective.predictXStart(noiseLevel(schedule, ts), xt, network.apply(xt, ts, condition));
    return ancestralStep(schedule, xStart, xt, t, () => z);
  });
}
