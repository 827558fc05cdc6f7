import * as tf from '@tensorflow/tfjs-core';
import type { Parameterisation } from './parameterisation';
import { outputParts } from './parameterisation';

/**
 * A parameterisation whose network says the variance of its steps too (Nichol & Dhariwal 2021, §3.1, eq. 15), in c more
 * channels: log σ² = f·log β + (1 − f)·log β̃, where f = (v + 1)/2 of its output v. Nothing keeps f within 0 and 1.
 * @param parameterisation what its first c channels mean, such as `epsilon`
 */
export const learnedRange = (parameterisation: Parameterisation): Parameterisation => ({
  ...parameterisation,
  variance: 'range',
  predict: (level, x, output) =>
    tf.tidy(() => {
      const [main, values] = outputParts({ variance: 'range' }, output);
      const { x0 } = parameterisation.predict(level, x, main);
      return { x0, variance: { fraction: tf.mul<tf.Tensor4D>(tf.add(values!, 1), 0.5) } };
    }),
});
