import type { NormalSource } from '@ddpm/random';
import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../network';
import { noiseLevel } from '../noise-level';
import type { Objective } from '../objective';
import { epsilon } from '../objective';
import { ddpm } from './ddpm';
import type { Sampler } from './sampler';

/** @inline */
type Condition = Readonly<Record<string, tf.Tensor>>;

/** A network that runs elsewhere, such as a compiled one. It frees what it allocates, except for its result. */
export type AsyncNetworkFunction = (xt: tf.Tensor4D, t: tf.Tensor1D, condition?: Condition) => Promise<tf.Tensor4D>;

/** What `sample` reports after a step. */
export interface SampleStep {
  /** Position in the sampler's timesteps, from 0. */
  readonly index: number;
  /** How many steps there are. */
  readonly steps: number;
  /** x after the step, [n, h, w, c]; the caller of `sample` must clone what is to outlive the callback. */
  readonly x: tf.Tensor4D;
  /** The network's x̂_0 at the step. */
  readonly xStart: tf.Tensor4D;
}

/** How to draw; `schedule` and `rng` are needed. */
export interface SampleOptions {
  /** The schedule that the network was trained with. */
  schedule: NoiseSchedule;
  /** What the network predicts; `epsilon` by default. */
  objective?: Objective;
  /** `ddpm(schedule)` by default. */
  sampler?: Sampler;
  /** Draws the noise of the sampler's steps. */
  rng: NormalSource;
  /** Keeps every x̂_0 within [−1, 1], where the images are (Ho et al.'s own sampler does); false by default. */
  clip?: boolean;
  /** Given to the network at every call. */
  condition?: Condition;
  /** Called after every step, and awaited. */
  onStep?: (step: SampleStep) => void | Promise<void>;
}

/** The network's x̂_0 of a batch that is all at one t: what every sampler works with. */
async function predict(
  network: Network | AsyncNetworkFunction,
  xt: tf.Tensor4D,
  t: number,
  { schedule, objective = epsilon, clip = false, condition }: SampleOptions,
): Promise<tf.Tensor4D> {
  const ts = tf.fill<tf.Rank.R1>([xt.shape[0]], t, 'int32');
  try {
    const output = typeof network === 'function' ? await network(xt, ts, condition) : tf.tidy(() => network.apply(xt, ts, condition));
    try {
      if (output.shape.join() !== xt.shape.join()) {
        throw new RangeError(
          `sample: the network's output should have the shape of its input, [${xt.shape.join(', ')}], not [${output.shape.join(', ')}]`,
        );
      }
      return tf.tidy(() => {
        const xStart = objective.predictXStart(noiseLevel(schedule, ts), xt, output);
        return clip ? tf.clipByValue(xStart, -1, 1) : xStart;
      });
    } finally {
      output.dispose();
    }
  } finally {
    ts.dispose();
  }
}

/**
 * Draws images: from x_T, noise [n, h, w, c], to x_0 of the same shape, through every step of the sampler.
 * The caller owns the result, and keeps xT.
 * @throws RangeError if the network's output is not shaped like its input
 */
export async function sample(network: Network | AsyncNetworkFunction, xT: tf.Tensor4D, options: SampleOptions): Promise<tf.Tensor4D> {
  const { schedule, sampler = ddpm(schedule), rng, onStep } = options;
  const steps = sampler.timesteps.length;
  let x = tf.clone(xT);
  for (let index = 0; index < steps; index++) {
    let xStart: tf.Tensor4D | undefined;
    try {
      xStart = await predict(network, x, sampler.timesteps[index], options);
      const next = sampler.step({ xt: x, xStart, index, rng });
      x.dispose();
      x = next;
      await onStep?.({ index, steps, x, xStart });
    } catch (error) {
      x.dispose();
      throw error;
    } finally {
      xStart?.dispose();
    }
  }
  return x;
}
