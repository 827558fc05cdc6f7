import { checkTimesteps, linspace } from './linspace';
import type { NoiseSchedule } from './noise-schedule';
import { scheduleFromBetas } from './noise-schedule';

/**
 * √β_t from √`betaStart` to √`betaEnd` in even steps: little noise is added for longer.
 * @param options.timesteps T, the number of noise levels
 * @param options.betaStart β_0
 * @param options.betaEnd β_{T−1}
 * @throws RangeError if timesteps is not a positive whole number, or a β lies outside (0, 1).
 */
export function quadraticSchedule({ timesteps = 1000, betaStart = 1e-4, betaEnd = 0.02 } = {}): NoiseSchedule {
  checkTimesteps('quadraticSchedule', timesteps);
  return scheduleFromBetas(linspace(Math.sqrt(betaStart), Math.sqrt(betaEnd), timesteps).map((root) => root ** 2));
}
