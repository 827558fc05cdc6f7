import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { qPosterior } from '../levels/posterior';
import { freshNoise, noiseIn } from './arithmetic';
import type { Sampler } from './sampler';

/**
 * Denoising diffusion implicit models (Song et al. 2020, eq. 12): x_s = signal_s x̂_0 + √(sigma_s² − σ²) ε̂ + σ z,
 * where σ is η times the deviation of q(x_s | x_t, x_0): η = 0 draws no noise, and η = 1 is ancestral sampling.
 * @param levels from noise to image, such as `trailing(schedule, 50)`
 * @param options.eta how much of the ancestral sampler's noise to draw, from 0 to 1
 * @throws RangeError if it is not
 */
export function ddim(levels: readonly Level[], { eta = 0 } = {}): Sampler {
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`ddim: eta must be from 0 to 1, got ${eta}`);
  return {
    levels,
    step(index, [evaluation], rng) {
      const { x, x0, level } = evaluation;
      const next = levels[index + 1];
      const deviation = eta * Math.sqrt(qPosterior(level, next).variance);
      const mean = tf.add<tf.Tensor4D>(
        tf.mul(x0, next.signal),
        tf.mul(noiseIn(evaluation), Math.sqrt(Math.max(0, next.sigma ** 2 - deviation ** 2))),
      );
      return deviation > 0 ? tf.add(mean, tf.mul(freshNoise(x, rng), deviation)) : mean;
    },
  };
}
