import type { NoiseSchedule } from '@ddpm/schedules';
import {
  cosineSchedule,
  linearSchedule,
  quadraticSchedule,
  sigmoidSchedule,
  stableDiffusionSchedule,
  stretchedLinearSchedule,
  velocityCosineSchedule,
  zeroTerminalSnr,
} from '@ddpm/schedules';

type MakeSchedule = (options: { timesteps: number }) => NoiseSchedule;

/** Schedules that leave a trace of the image at the end, more or less. */
const published: Readonly<Record<string, MakeSchedule>> = {
  linear: linearSchedule,
  'stretched-linear': stretchedLinearSchedule,
  quadratic: quadraticSchedule,
  'stable-diffusion': stableDiffusionSchedule,
  sigmoid: sigmoidSchedule,
  cosine: cosineSchedule,
};

/** The same, changed so that they end in noise alone, by names of their own. */
const ending = Object.entries(published).map(([name, make]): [string, MakeSchedule] => [
  `${name}-zero-snr`,
  (options) => zeroTerminalSnr(make(options)),
]);

/** The schedules by their names on the command line. */
export const schedules: Readonly<Record<string, MakeSchedule>> = {
  ...published,
  ...{ 'velocity-cosine': velocityCosineSchedule },
  ...Object.fromEntries(ending),
};

/** Their names, as `--help` lists them. */
export const scheduleNames = `${Object.keys(published).join(', ')}, velocity-cosine; each but the last also with -zero-snr behind it, to end in noise alone`;
