import * as tf from '@tensorflow/tfjs-core';
import type { Parameterisation } from './parameterisation';

/** The network predicts the image x_0. */
export const image: Parameterisation = {
  name: 'image',
  target: (_level, xStart) => xStart,
  predict: (_level, _x, output) => ({ x0: tf.clone(output) }),
  errorScale: () => 1,
};
