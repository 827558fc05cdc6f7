import type { NoiseSchedule } from '@ddpm/schedules';
import { cosineSchedule, linearSchedule, quadraticSchedule, scaledLinearSchedule, sigmoidSchedule } from '@ddpm/schedules';

/** The schedules by their names on the command line. */
export const schedules: Readonly<Record<string, (options: { timesteps: number }) => NoiseSchedule>> = {
  linear: linearSchedule,
  'scaled-linear': scaledLinearSchedule,
  quadratic: quadraticSchedule,
  sigmoid: sigmoidSchedule,
  cosine: cosineSchedule,
};
