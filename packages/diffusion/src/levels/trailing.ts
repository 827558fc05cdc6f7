import type { NoiseSchedule } from '@ddpm/schedules';
import type { Level } from './level';
import { clean, levelAt } from './level';

/**
 * `steps` of T timesteps in even strides, from T − 1 down, so that the first step is at the noise that sampling starts
 * from ("trailing" in Lin et al. 2024); all T of them by default.
 * @throws RangeError unless steps is a whole number from 1 to T
 */
export function trailingTimesteps(timesteps: number, steps = timesteps): number[] {
  checkSteps('trailing', timesteps, steps);
  return Array.from({ length: steps }, (_, i) => roundHalfToEven(((steps - i) * timesteps) / steps) - 1);
}

/** @throws RangeError unless steps is a whole number from 1 to T */
export function checkSteps(who: string, timesteps: number, steps: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > timesteps)
    throw new RangeError(
      `${who}: steps must be a whole number from 1 to ${timesteps}, the schedule's timesteps; got ${steps}`,
    );
}

/** As NumPy rounds, and so the libraries whose timesteps these are. */
export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/**
 * The levels of a schedule at `trailingTimesteps`, and at last the image: what a sampler visits.
 * @throws RangeError unless steps is a whole number from 1 to T
 */
export function trailing(schedule: NoiseSchedule, steps?: number): Level[] {
  return [...trailingTimesteps(schedule.timesteps, steps).map((t) => levelAt(schedule, t)), clean];
}
