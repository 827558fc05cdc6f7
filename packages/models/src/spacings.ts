import type { Level, LevelScale } from '@ddpm/diffusion';
import { karras, leading, linspace, trailing, uniformLogSnr } from '@ddpm/diffusion';
import type { NoiseSchedule } from '@ddpm/schedules';
import type { KnownLevels } from './levels';

/** So many of a model's levels, from noise to image. */
export type Spacing = (known: KnownLevels, steps: number) => Level[];

const ofTimesteps =
  (name: string, space: (schedule: NoiseSchedule, steps: number) => Level[]): Spacing =>
  ({ schedule }, steps) => {
    if (!schedule)
      throw new RangeError(
        `spacing ${name} is one of a schedule's timesteps, and this model's levels have none; uniform-log-snr and karras space any`,
      );
    return space(schedule, steps);
  };

const ofRatios =
  (space: (scale: LevelScale, steps: number) => Level[]): Spacing =>
  ({ scale }, steps) =>
    space(scale, steps);

/** The spacings of levels by their names on a command line. */
export const spacings: Readonly<Record<string, Spacing>> = {
  trailing: ofTimesteps('trailing', trailing),
  leading: ofTimesteps('leading', leading),
  linspace: ofTimesteps('linspace', linspace),
  karras: ofRatios(karras),
  'uniform-log-snr': ofRatios(uniformLogSnr),
  // k-diffusion's name for the same.
  exponential: ofRatios(uniformLogSnr),
};
