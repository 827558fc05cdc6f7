import * as tf from '@tensorflow/tfjs-core';
import type { Level, Levels } from '../levels/level';

/**
 * The variance σ² of a step from a network's level to a less noisy one, as it says it, [n, h, w, c] either way:
 * `fraction`, f in log σ² = f·log β + (1 − f)·log β̃, for whatever step is taken (Nichol & Dhariwal 2021, eq. 15), or
 * `log`, log σ² itself.
 */
export type LearnedVariance = { readonly fraction: tf.Tensor4D } | { readonly log: tf.Tensor4D };

/** The image that a network's output stands for. */
export interface Prediction {
  /** x̂_0, [n, h, w, c]. */
  readonly x0: tf.Tensor4D;
  /** The variance, where the network has learned it. */
  readonly variance?: LearnedVariance;
}

/** The meaning of a network's output: its target in training, and how x_0 is read from it. All images [n, h, w, c]. */
export interface Parameterisation {
  /** Its name, which a checkpoint holds. */
  readonly name: string;
  /** Whether it says nothing of the image at a level without signal, so that none is allowed; false by default. */
  readonly needsSignal?: boolean;
  /** The standard deviation of the data that it was made for, where that is part of its meaning. */
  readonly sigmaData?: number;
  /**
   * Whether the network gives 2c channels, of which the second half says the variance: where it lies between β̃ and β
   * (`'range'`), or its logarithm (`'log'`). By default it gives c channels, and nothing of the variance.
   */
  readonly variance?: 'range' | 'log';
  /** The network's input for x; x itself by default. */
  input?(level: Levels, x: tf.Tensor4D): tf.Tensor4D;
  /** The number that it is told of the level, [n]; its time by default. */
  told?(level: Levels): tf.Tensor1D;
  /** The target in training of the output, less what says the variance. */
  target(level: Levels, xStart: tf.Tensor4D, noise: tf.Tensor4D): tf.Tensor4D;
  /** The image that the output speaks of, [n, h, w, c], or [n, h, w, 2c] with a variance. */
  predict(level: Levels, x: tf.Tensor4D, output: tf.Tensor4D): Prediction;
  /** How many times larger a squared error of the output is than that of the x̂_0 that it means. */
  readonly errorScale: (level: Level) => number;
}

/** @throws RangeError if a parameterisation says nothing of the image at a level, where nothing of it is left */
export function checkLevel(
  who: string,
  { name, needsSignal = false }: Parameterisation,
  { signal, time }: Level,
): void {
  if (needsSignal && !(signal > 0))
    throw new RangeError(
      `${who}: '${name}' says nothing of the image at a level without signal, and got the one at time ${time}; 'velocity' and 'image' do`,
    );
}

/**
 * A network's output cut in what the target is compared with, [n, h, w, c], and what says the variance, where the
 * parameterisation has one.
 */
export function outputParts(
  { variance }: Pick<Parameterisation, 'variance'>,
  output: tf.Tensor4D,
): readonly [main: tf.Tensor4D, values?: tf.Tensor4D] {
  return variance === undefined ? [output] : (tf.split(output, 2, 3) as [tf.Tensor4D, tf.Tensor4D]);
}

/** @throws RangeError unless a network's output has the shape that the parameterisation wants for x */
export function checkOutput(
  who: string,
  { variance }: Pick<Parameterisation, 'variance'>,
  x: tf.Tensor4D,
  output: tf.Tensor,
): void {
  const [n, h, w, c] = x.shape;
  const expected = [n, h, w, variance === undefined ? c : 2 * c];
  if (output.shape.join() === expected.join()) return;
  const like =
    variance === undefined ? 'the shape of its input' : 'twice the channels of its input, to say the variance';
  throw new RangeError(
    `${who}: the network's output should have ${like}, [${expected.join(', ')}], not [${output.shape.join(', ')}]`,
  );
}
