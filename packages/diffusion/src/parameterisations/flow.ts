import * as tf from '@tensorflow/tfjs-core';
import type { Parameterisation } from './parameterisation';

/**
 * The network predicts ε − x_0, which is dx/dt on a flow's straight line x = (1 − t)·x_0 + t·ε (Lipman et al. 2023; Liu
 * et al. 2023):
 * x̂_0 = (x − sigma·output)/(signal + sigma), where the divisor is 1 for a flow's levels, `flowAt(t)`.
 */
export const flow: Parameterisation = {
  name: 'flow',
  target: (_level, xStart, noise) => tf.sub(noise, xStart),
  predict: ({ signal, sigma }, x, output) => ({
    x0: tf.tidy(() => tf.div(tf.sub(x, tf.mul(sigma, output)), tf.add(signal, sigma))),
  }),
  errorScale: ({ signal, sigma }) => ((signal + sigma) / sigma) ** 2,
};
