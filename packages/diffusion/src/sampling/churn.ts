import type * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import type { LevelScale } from '../levels/scale';
import { combine, freshNoise } from './arithmetic';
import type { NoiseSource } from './sampler';

/** Noise that is added before each step (Karras et al. 2022, Algorithm 2). */
export interface Churn {
  /** S_churn: σ rises by the factor 1 + min(amount/steps, √2 − 1). */
  readonly amount: number;
  /** Finds the level of the raised σ, such as `edmScale()`. */
  readonly scale: LevelScale;
  /** S_tmin: only at σ of at least this; 0 by default. */
  readonly min?: number;
  /** S_tmax: only at σ of at most this; infinite by default. */
  readonly max?: number;
  /** S_noise: the standard deviation of what is added, 1 by default. */
  readonly noise?: number;
}

/** The levels after churning, one for each but the last. */
export function churned(levels: readonly Level[], churn?: Churn): Level[] {
  const starts = levels.slice(0, -1);
  if (!churn) return starts;
  const { amount, scale, min = 0, max = Infinity } = churn;
  return starts.map((level) => {
    const ratio = level.sigma / level.signal;
    const gamma = ratio >= min && ratio <= max ? Math.min(amount / starts.length, Math.SQRT2 - 1) : 0;
    return gamma > 0 ? scale.at(ratio * (1 + gamma)) : level;
  });
}

/** x at a raised level, of x at a level: y = x/signal gets noise of the deviation √(σ̂² − σ²)·S_noise. */
export function raise(
  x: tf.Tensor4D,
  from: Level,
  to: Level,
  { noise = 1 }: Partial<Churn> = {},
  rng: NoiseSource,
): tf.Tensor4D {
  const added = (to.sigma / to.signal) ** 2 - (from.sigma / from.signal) ** 2;
  return to === from
    ? x
    : combine([to.signal / from.signal, x], [to.signal * noise * Math.sqrt(Math.max(0, added)), freshNoise(x, rng)]);
}
