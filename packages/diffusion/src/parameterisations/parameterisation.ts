import type * as tf from '@tensorflow/tfjs-core';
import type { Level, Levels } from '../levels/level';

/** The image that a network's output stands for. */
export interface Prediction {
  /** x̂_0, [n, h, w, c]. */
  readonly x0: tf.Tensor4D;
}

/** The meaning of a network's output: its target in training, and how x_0 is read from it. All images [n, h, w, c]. */
export interface Parameterisation {
  /** Its name, which a checkpoint holds. */
  readonly name: string;
  /** Whether it says nothing of the image at a level without signal, so that none is allowed; false by default. */
  readonly needsSignal?: boolean;
  /** The standard deviation of the data that it was made for, where that is part of its meaning. */
  readonly sigmaData?: number;
  /** The network's input for x; x itself by default. */
  input?(level: Levels, x: tf.Tensor4D): tf.Tensor4D;
  /** The number that it is told of the level, [n]; its time by default. */
  told?(level: Levels): tf.Tensor1D;
  /** The target of the output in training. */
  target(level: Levels, xStart: tf.Tensor4D, noise: tf.Tensor4D): tf.Tensor4D;
  /** The image that the output speaks of. */
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
