import type { NoiseSchedule } from '@ddpm/schedules';
import type { Level } from './level';
import { clean, levelAt } from './level';
import { checkSteps, roundHalfToEven } from './trailing';

/**
 * The levels of a schedule at `steps` timesteps spread evenly from T − 1 down to 0, both included, and at last the
 * image ("linspace" in Lin et al. 2024).
 * @throws RangeError unless steps is a whole number from 1 to T
 */
export function linspace(schedule: NoiseSchedule, steps: number): Level[] {
  checkSteps('linspace', schedule.timesteps, steps);
  const last = schedule.timesteps - 1;
  const at = (i: number) => roundHalfToEven(((steps - 1 - i) * last) / (steps - 1));
  return [...Array.from({ length: steps }, (_, i) => levelAt(schedule, steps === 1 ? last : at(i))), clean];
}
