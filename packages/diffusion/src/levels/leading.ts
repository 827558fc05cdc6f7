import type { NoiseSchedule } from '@ddpm/schedules';
import type { Level } from './level';
import { clean, levelAt } from './level';
import { checkSteps } from './trailing';

/**
 * The levels of a schedule at `steps` timesteps in strides of ⌊T/steps⌋ from `offset` up, the greatest first, and at
 * last the image:
 * "leading" in Lin et al. 2024, as in DDIM's own code. The first is not the schedule's last, so that sampling begins
 * with more noise than the network is told.
 * @param options.offset the least t; Stable Diffusion's is 1
 * @throws RangeError unless steps is a whole number from 1 to T and the greatest t lies within the schedule
 */
export function leading(schedule: NoiseSchedule, steps: number, { offset = 0 } = {}): Level[] {
  checkSteps('leading', schedule.timesteps, steps);
  const stride = Math.floor(schedule.timesteps / steps);
  return [...Array.from({ length: steps }, (_, i) => levelAt(schedule, (steps - 1 - i) * stride + offset)), clean];
}
