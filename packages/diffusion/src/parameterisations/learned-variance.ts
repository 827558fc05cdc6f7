import * as tf from '@tensorflow/tfjs-core';
import type { Parameterisation } from './parameterisation';
import { outputParts } from './parameterisation';

/**
 * A parameterisation whose network says log σ² itself in c more channels: `LEARNED` of Nichol & Dhariwal's code. It is
 * that of one chain's steps, so that it means little where others are taken; `learnedRange` is what they recommend.
 * @param parameterisation what its first c channels mean, such as `epsilon`
 */
export const learnedVariance = (parameterisation: Parameterisation): Parameterisation => ({
  ...parameterisation,
  variance: 'log',
  predict: (level, x, output) =>
    tf.tidy(() => {
      const [main, log] = outputParts({ variance: 'log' }, output);
      const { x0 } = parameterisation.predict(level, x, main);
      return { x0, variance: { log: log! } };
    }),
});
