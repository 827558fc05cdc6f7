import { checkTimesteps } from './linspace';
import type { NoiseSchedule } from './noise-schedule';
import { scheduleFromBetas } from './noise-schedule';

/**
 * ᾱ_t ∝ cos²((t/T + s)/(1 + s) · π/2), with β_t kept within [minBeta, maxBeta] (Nichol & Dhariwal 2021, eq. 17; they
 * use maxBeta 0.999).
 * x_T is pure noise at any T.
 * @param options.timesteps T, the number of noise levels
 * @param options.s keeps β from vanishing near t = 0
 * @param options.minBeta the least β_t
 * @param options.maxBeta the greatest β_t
 * @throws RangeError if timesteps is not a positive whole number, or a β lies outside (0, 1).
 */
export function cosineSchedule({ timesteps = 1000, s = 0.008, minBeta = 1e-4, maxBeta = 0.9999 } = {}): NoiseSchedule {
  checkTimesteps('cosineSchedule', timesteps);
  const alphaBar = (t: number) => Math.cos(((t / timesteps + s) / (1 + s)) * Math.PI * 0.5) ** 2;
  return scheduleFromBetas(
    Float64Array.from({ length: timesteps }, (_, t) =>
      Math.min(Math.max(1 - alphaBar(t + 1) / alphaBar(t), minBeta), maxBeta),
    ),
  );
}
