import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';
import type { Sampler } from './sampler';

/**
 * `steps` of the schedule's timesteps in even strides, from T − 1 down, so that the first step is at the noise that sampling starts from
 * ("trailing" in Lin et al. 2024).
 * @throws RangeError unless steps is a whole number from 1 to T
 */
export function trailingTimesteps(timesteps: number, steps: number): number[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > timesteps) {
    throw new RangeError(`steps must be a whole number from 1 to ${timesteps}, the schedule's timesteps; got ${steps}`);
  }
  return Array.from({ length: steps }, (_, i) => Math.round(((steps - i) * timesteps) / steps) - 1);
}

/**
 * Denoising diffusion implicit models (Song et al. 2020, eq. 12): x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε̂ + σ z, to the next chosen level s, and
 * after the last to ᾱ = 1. σ = η √((1 − ᾱ_s)/(1 − ᾱ_t)) √(1 − ᾱ_t/ᾱ_s): η = 0 draws no noise, and η = 1 over all steps is the ancestral sampler.
 * @param options.steps how many of the schedule's timesteps to visit
 * @param options.eta how much of the ancestral sampler's noise to draw, from 0 to 1
 * @throws RangeError unless steps is a whole number from 1 to T
 */
export function ddim(schedule: NoiseSchedule, { steps = schedule.timesteps, eta = 0 } = {}): Sampler {
  const timesteps = trailingTimesteps(schedule.timesteps, steps);
  const alphaBar = (index: number) => (index < steps ? schedule.alphasCumprod[timesteps[index]] : 1);
  return {
    timesteps,
    step: ({ xt, xStart, index, rng }) =>
      tf.tidy(() => {
        const [now, next] = [alphaBar(index), alphaBar(index + 1)];
        const sigma = eta * Math.sqrt((1 - next) / (1 - now)) * Math.sqrt(1 - now / next);
        const noise = tf.div(tf.sub(xt, tf.mul(xStart, Math.sqrt(now))), Math.sqrt(1 - now));
        const mean = tf.add<tf.Tensor4D>(tf.mul(xStart, Math.sqrt(next)), tf.mul(noise, Math.sqrt(Math.max(0, 1 - next - sigma ** 2))));
        return sigma > 0 ? tf.add(mean, tf.mul(tf.tensor4d(rng.normals(xt.size), xt.shape), sigma)) : mean;
      }),
  };
}
