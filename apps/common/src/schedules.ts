import type { NoiseSchedule } from '@ddpm/schedules';
import {
  cosineSchedule,
  linearSchedule,
  quadraticSchedule,
  sigmoidSchedule,
  stableDiffusionSchedule,
  stretchedLinearSchedule,
} from '@ddpm/schedules';

/** The schedules by their names on the command line. */
export const schedules: Readonly<Record<string, (options: { timesteps: number }) => NoiseSchedule>> = {
  linear: linearSchedule,
  'stretched-linear': stretchedLinearSchedule,
  quadratic: quadraticSchedule,
  'stable-diffusion': stableDiffusionSchedule,
  sigmoid: sigmoidSchedule,
  cosine: cosineSchedule,
};
