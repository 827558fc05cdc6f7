import type { Level, LevelScale } from '@ddpm/diffusion';
import { clean, exponential, flowAt, karras, leading, linspace, trailing, uniformLogSnr } from '@ddpm/diffusion';
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

/**
 * Even strides from the noisiest level to the image, by a schedule's timesteps, a flow's t, or EDM's σ^(1/7), so that
 * every other level of 2n steps is one of n.
 */
const strides: Spacing = ({ kind, schedule, scale }, steps) => {
  if (schedule) return trailing(schedule, steps);
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`trailing: steps must be a positive whole number, got ${steps}`);
  const shares = Array.from({ length: steps }, (_, i) => (steps - i) / steps);
  if (kind === 'flow') return [...shares.map(flowAt), clean];
  const [least, most] = [scale.min ** (1 / 7), scale.max ** (1 / 7)];
  return [...shares.map((share) => scale.at((least + share * (most - least)) ** 7)), clean];
};

/** The spacings of levels by their names on a command line. */
export const spacings: Readonly<Record<string, Spacing>> = {
  trailing: strides,
  leading: ofTimesteps('leading', leading),
  linspace: ofTimesteps('linspace', linspace),
  karras: ofRatios(karras),
  'uniform-log-snr': ofRatios(uniformLogSnr),
  exponential: ofRatios(exponential),
};
