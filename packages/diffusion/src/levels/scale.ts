import type { NoiseSchedule } from '@ddpm/schedules';
import type { Level } from './level';
import { clean, edmAt, flowAt, levelAt, ofRatio } from './level';

/** The levels of a kind, by their noise-to-signal ratio, σ = sigma/signal: what spacings choose among. */
export interface LevelScale {
  /** The least σ that a network has seen. */
  readonly min: number;
  /** The greatest. */
  readonly max: number;
  /** The level beyond it, if the network has seen noise alone, whose σ is infinite: where sampling begins then. */
  readonly noise?: Level;
  /** The level at a σ. */
  at(ratio: number): Level;
}

/** EDM's levels (Karras et al. 2022), with its ends: x = x_0 + σε. */
export const edmScale = ({ min = 0.002, max = 80 } = {}): LevelScale => ({ min, max, at: edmAt });

/** A flow's levels from t = min to max: σ = t/(1 − t). At t = 1 it is infinite, which the spacings do not take. */
export const flowScale = ({ min = 0.001, max = 0.999 } = {}): LevelScale => ({
  min: min / (1 - min),
  max: max / (1 - max),
  at: (ratio) => flowAt(ratio / (1 + ratio)),
});

/**
 * A schedule's levels, and those between its timesteps, where t is linear in log σ, as in k-diffusion. Beyond its ends
 * t is that of the end. The last timestep of a schedule that ends without signal is the level of noise alone.
 */
export function scheduleScale(schedule: NoiseSchedule): LevelScale {
  const { timesteps, sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod } = schedule;
  const dark = sqrtAlphasCumprod[timesteps - 1] === 0;
  const logs = Float64Array.from({ length: dark ? timesteps - 1 : timesteps }, (_, t) =>
    Math.log(sqrtOneMinusAlphasCumprod[t] / sqrtAlphasCumprod[t]),
  );
  return {
    // Of noise alone and nothing else, there is no σ but that.
    min: Math.exp(logs.at(0) ?? Infinity),
    max: Math.exp(logs.at(-1) ?? Infinity),
    ...(dark && { noise: levelAt(schedule, timesteps - 1) }),
    at(ratio) {
      if (ratio === 0) return clean;
      const log = Math.log(ratio);
      const above = logs.findIndex((other) => other >= log);
      const time =
        above === 0
          ? 0
          : above < 0
            ? logs.length - 1
            : above - 1 + (log - logs[above - 1]) / (logs[above] - logs[above - 1]);
      return { ...ofRatio(ratio), time };
    },
  };
}
