import { checkTimesteps, linspace } from './linspace';
import type { NoiseSchedule } from './noise-schedule';
import { scheduleFromBetas } from './noise-schedule';

/**
 * β_t from `betaStart` to `betaEnd` in even steps (Ho et al. 2020, §4, who use T = 1000). The ends are not rescaled
 * with T:
 * at T = 200, ᾱ_T = 0.13, so that x_T still holds a trace of the image. `stretchedLinearSchedule` reaches noise at any
 * T.
 * @param options.timesteps T, the number of noise levels
 * @param options.betaStart β_0
 * @param options.betaEnd β_{T−1}
 * @throws RangeError if timesteps is not a positive whole number, or a β lies outside (0, 1).
 */
export function linearSchedule({ timesteps = 1000, betaStart = 1e-4, betaEnd = 0.02 } = {}): NoiseSchedule {
  checkTimesteps('linearSchedule', timesteps);
  return scheduleFromBetas(linspace(betaStart, betaEnd, timesteps));
}
