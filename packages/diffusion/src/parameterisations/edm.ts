import * as tf from '@tensorflow/tfjs-core';
import type { Levels } from '../levels/level';
import type { Parameterisation } from './parameterisation';

/**
 * The preconditioning of EDM (Karras et al. 2022, eq. 7 and table 1): x̂_0 = c_skip(σ)·x + c_out(σ)·F(c_in(σ)·x;
 * ln(σ)/4), chosen so that what the network is given and what it is trained towards have variance 1 at every σ. A level
 * whose signal is not 1 is that of x/signal at σ = sigma/signal.
 * @param options.sigmaData the standard deviation of the data, as `sigmaDataOf` measures it; 0.5 by default, as theirs
 * @throws RangeError unless sigmaData is a number above 0
 */
export function edm({ sigmaData = 0.5 } = {}): Parameterisation {
  if (!(sigmaData > 0 && sigmaData < Infinity))
    throw new RangeError(`edm: sigmaData must be a number above 0, got ${sigmaData}`);
  /** √(sigma² + signal²·σ_data²), the deviation of x. */
  const deviation = ({ signal, sigma }: Pick<Levels, 'signal' | 'sigma'>) =>
    tf.sqrt(tf.add(tf.square(sigma), tf.square(tf.mul(signal, sigmaData))));
  /** c_skip·x. */
  const skipped = (level: Levels, x: tf.Tensor4D) =>
    tf.div(tf.mul(tf.mul(level.signal, sigmaData ** 2), x), tf.square(deviation(level)));
  /** c_out. */
  const scale = (level: Levels) => tf.div(tf.mul(level.sigma, sigmaData), deviation(level));
  return {
    name: 'edm',
    needsSignal: true,
    sigmaData,
    input: (level, x) => tf.tidy(() => tf.div(x, deviation(level))),
    told: ({ signal, sigma }) =>
      tf.tidy(() => tf.mul(tf.reshape<tf.Rank.R1>(tf.log(tf.div(sigma, signal)), [-1]), 0.25)),
    target: (level, xStart, noise) =>
      tf.tidy(() => {
        // (x_0 − c_skip·x)/c_out with x put in: the difference of two nearly equal images, where σ is small, is taken
        // beforehand.
        const { signal, sigma } = level;
        const ofStart = tf.mul(tf.div(sigma, sigmaData), xStart);
        return tf.div(tf.sub(ofStart, tf.mul(tf.mul(signal, sigmaData), noise)), deviation(level));
      }),
    predict: (level, x, output) => ({ x0: tf.tidy(() => tf.add(skipped(level, x), tf.mul(scale(level), output))) }),
    errorScale: ({ signal, sigma }) => (sigma ** 2 + (signal * sigmaData) ** 2) / (sigma * sigmaData) ** 2,
  };
}
