import { checkTimesteps, linspace } from './linspace';
import type { NoiseSchedule } from './noise-schedule';
import { scheduleFromBetas } from './noise-schedule';

/**
 * β_t along the logistic curve σ(−6 … 6) from `betaStart` to `betaEnd`.
 * @param options.timesteps T, the number of noise levels
 * @param options.betaStart β_0
 * @param options.betaEnd β_{T−1}
 * @throws RangeError if timesteps is not a positive whole number, or a β lies outside (0, 1).
 */
export function sigmoidSchedule({ timesteps = 1000, betaStart = 1e-4, betaEnd = 0.02 } = {}): NoiseSchedule {
  checkTimesteps('sigmoidSchedule', timesteps);
  return scheduleFromBetas(
    linspace(-6, 6, timesteps).map((x) => (betaEnd - betaStart) / (1 + Math.exp(-x)) + betaStart),
  );
}
