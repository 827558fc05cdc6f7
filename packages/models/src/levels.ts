import type { Level, LevelScale } from '@ddpm/diffusion';
import { edmAt, edmScale, flowAt, flowScale, levelAt, scheduleScale } from '@ddpm/diffusion';
import type { NoiseSchedule } from '@ddpm/schedules';

/** The levels that a denoiser knows: those of a schedule, EDM's between two σ, or a flow's. */
export type KnownLevels = {
  /** The choice of spacings by noise, such as `karras(scale, steps)`. */
  readonly scale: LevelScale;
  /** The noisiest that training meets; of a flow, noise alone. */
  readonly noisiest: Level;
} & (
  | {
      readonly kind: 'schedule';
      /** The choice of spacings by timesteps, such as `trailing(schedule, steps)`. */
      readonly schedule: NoiseSchedule;
    }
  | { readonly kind: 'edm' | 'flow'; readonly schedule?: undefined }
);

/** A schedule's levels. */
export const scheduleLevels = (schedule: NoiseSchedule): KnownLevels => ({
  ...{ kind: 'schedule', schedule, scale: scheduleScale(schedule) },
  noisiest: levelAt(schedule, schedule.timesteps - 1),
});

/** EDM's levels, between two σ; those of `edmScale` by default. */
export function edmLevels(range?: { min?: number; max?: number }): KnownLevels {
  const scale = edmScale(range);
  return { kind: 'edm', scale, noisiest: edmAt(scale.max) };
}

/** A flow's levels. Sampling by noise is between two σ = sigma/signal; those of `flowScale` by default. */
export function flowLevels({ min, max }: { min?: number; max?: number } = {}): KnownLevels {
  const scale = flowScale();
  return { kind: 'flow', scale: { ...scale, min: min ?? scale.min, max: max ?? scale.max }, noisiest: flowAt(1) };
}
