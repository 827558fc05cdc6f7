import { cosineSchedule } from './cosine';
import type { NoiseSchedule } from './noise-schedule';

/**
 * √ᾱ_t = cos(π/2 · (t + 1)/T), the cosine schedule of v-prediction (Salimans & Ho 2022, §4): along the whole quarter of
 * the circle, to ᾱ_T = 0.
 * It is `cosineSchedule` without what keeps β_t from 0 and 1. For a network that predicts v or x_0: of ε, x_T says
 * nothing about the image.
 * @param options.timesteps T, the number of noise levels
 * @throws RangeError if timesteps is not a positive whole number.
 */
export function velocityCosineSchedule({ timesteps = 1000 } = {}): NoiseSchedule {
  return cosineSchedule({ timesteps, s: 0, minBeta: 0, maxBeta: 1 });
}
