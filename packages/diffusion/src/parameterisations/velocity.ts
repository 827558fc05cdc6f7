import * as tf from '@tensorflow/tfjs-core';
import { signalToNoise } from '../levels/level';
import type { Parameterisation } from './parameterisation';

/** The network predicts v = signal·ε − sigma·x_0 (Salimans & Ho 2022, §4): x̂_0 = signal·x − sigma·v̂, where signal² + sigma² = 1. */
export const velocity: Parameterisation = {
  name: 'velocity',
  target: ({ signal, sigma }, xStart, noise) => tf.tidy(() => tf.sub(tf.mul(signal, noise), tf.mul(sigma, xStart))),
  predict: ({ signal, sigma }, x, output) => ({ x0: tf.tidy(() => tf.sub(tf.mul(signal, x), tf.mul(sigma, output))) }),
  errorScale: (level) => signalToNoise(level) + 1,
};
