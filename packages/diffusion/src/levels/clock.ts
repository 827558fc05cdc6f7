import type { NoiseSchedule } from '@ddpm/schedules';
import type { Level } from './level';
import { clean, edmAt, flowAt, levelAt } from './level';

/** How far levels lie from the image, by a time that is 0 there. */
export interface Clock {
  /** The time of a level. */
  of(level: Level): number;
  /** The level at a time; the image itself, `clean`, where that is before the least noisy one. */
  at(time: number): Level;
}

/** A schedule's time: (t + 1)/T, up to 1. */
export const scheduleClock = (schedule: NoiseSchedule): Clock => ({
  of: ({ time }) => (time + 1) / schedule.timesteps,
  at(time) {
    const t = time * schedule.timesteps - 1;
    return t < 0 ? clean : levelAt(schedule, t);
  },
});

/** EDM's time: σ. The image is before `min`. */
export const edmClock = ({ min = 0.002 } = {}): Clock => ({
  of: ({ signal, sigma }) => sigma / signal,
  at: (time) => (time < min ? clean : edmAt(time)),
});

/** A flow's time, up to 1. The image is before `min`. */
export const flowClock = ({ min = 0.001 } = {}): Clock => ({
  of: ({ time }) => time / 1000,
  at: (time) => (time < min ? clean : flowAt(time)),
});
