import type { NoiseSchedule } from './noise-schedule';
import { scheduleFromBetas } from './noise-schedule';

/**
 * A schedule whose x_T is noise alone (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
 * Algorithm 1): √ᾱ_t is shifted so that the last is 0, and scaled so that the first stays. There ε says nothing about
 * the image, so the network has to predict v or x_0.
 * @param schedule any of at least two timesteps
 * @throws RangeError if it has only one
 */
export function zeroTerminalSnr({ timesteps, sqrtAlphasCumprod: roots }: NoiseSchedule): NoiseSchedule {
  if (timesteps < 2)
    throw new RangeError(`zeroTerminalSnr: the schedule must have at least 2 timesteps, got ${timesteps}`);
  const [first, last] = [roots[0], roots[timesteps - 1]];
  const alphasCumprod = roots.map((root) => (((root - last) * first) / (first - last)) ** 2);
  return scheduleFromBetas(alphasCumprod.map((alphaBar, t) => 1 - alphaBar / (t === 0 ? 1 : alphasCumprod[t - 1])));
}
