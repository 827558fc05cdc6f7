import type { NoiseSchedule } from './noise-schedule';
import { quadraticSchedule } from './quadratic';

/**
 * √β_t from √0.00085 to √0.012 in even steps: the schedule of latent diffusion and Stable Diffusion (Rombach et al.
 * 2022), `scaled_linear` in diffusers; ᾱ_T = 0.0047. It is `quadraticSchedule` with other ends.
 * @param options.timesteps T, the number of noise levels
 * @throws RangeError if timesteps is not a positive whole number.
 */
export function stableDiffusionSchedule({ timesteps = 1000 } = {}): NoiseSchedule {
  return quadraticSchedule({ timesteps, betaStart: 0.00085, betaEnd: 0.012 });
}
