import * as tf from '@tensorflow/tfjs-core';
import type { Parameterisation } from './parameterisation';

/**
 * The network predicts v = signal·ε − sigma·x_0 (Salimans & Ho 2022, §4): x̂_0 = (signal·x − sigma·v̂)/(signal² +
 * sigma²), where the divisor is 1 for a schedule's levels.
 */
export const velocity: Parameterisation = {
  name: 'velocity',
  target: ({ signal, sigma }, xStart, noise) => tf.tidy(() => tf.sub(tf.mul(signal, noise), tf.mul(sigma, xStart))),
  predict: ({ signal, sigma }, x, output) => ({
    x0: tf.tidy(() =>
      tf.div(tf.sub(tf.mul(signal, x), tf.mul(sigma, output)), tf.add(tf.square(signal), tf.square(sigma))),
    ),
  }),
  errorScale: ({ signal, sigma }) => ((signal ** 2 + sigma ** 2) / sigma) ** 2,
};
