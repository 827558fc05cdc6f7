import * as tf from '@tensorflow/tfjs-core';
import { signalToNoise } from '../levels/level';
import type { Parameterisation } from './parameterisation';

/** The network predicts the noise ε (Ho et al. 2020, §3.2): x̂_0 = (x − sigma·ε̂)/signal, where signal > 0. */
export const epsilon: Parameterisation = {
  name: 'epsilon',
  needsSignal: true,
  target: (_level, _xStart, noise) => noise,
  predict: ({ signal, sigma }, x, output) => ({ x0: tf.tidy(() => tf.div(tf.sub(x, tf.mul(sigma, output)), signal)) }),
  errorScale: signalToNoise,
};
