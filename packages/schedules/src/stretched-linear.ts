import { linearSchedule } from './linear';
import { checkTimesteps } from './linspace';
import type { NoiseSchedule } from './noise-schedule';

/**
 * The linear schedule of T = 1000 with β scaled by 1000/T (as in Dhariwal & Nichol 2021), so that x_T is almost pure
 * noise at any T > 20. (What diffusers calls `scaled_linear` is `stableDiffusionSchedule`.)
 * @param options.timesteps T, the number of noise levels
 * @throws RangeError if timesteps is not a whole number above 20.
 */
export function stretchedLinearSchedule({ timesteps = 1000 } = {}): NoiseSchedule {
  checkTimesteps('stretchedLinearSchedule', timesteps);
  if (timesteps <= 20) {
    throw new RangeError(
      `stretchedLinearSchedule: timesteps must be above 20, or β = 20/T reaches 1; got ${timesteps}`,
    );
  }
  return linearSchedule({ timesteps, betaStart: 0.1 / timesteps, betaEnd: 20 / timesteps });
}
