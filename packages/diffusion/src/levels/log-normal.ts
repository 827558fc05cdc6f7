import { edmAt } from './level';
import type { LevelSource } from './source';

/**
 * EDM's levels with ln(σ) ~ N(mean, deviation²): most of them where there is something to learn (Karras et al. 2022, §5
 * and table 1: P_mean, P_std).
 * @param options.mean of ln(σ); −1.2 by default
 * @param options.deviation of ln(σ); 1.2 by default
 * @throws RangeError unless mean is a number, and deviation one of at least 0
 */
export function logNormal({ mean = -1.2, deviation = 1.2 } = {}): LevelSource {
  if (!Number.isFinite(mean) || !(deviation >= 0 && deviation < Infinity))
    throw new RangeError(
      `logNormal: mean must be a number and deviation one of at least 0, got ${mean} and ${deviation}`,
    );
  return { draw: (n, rng) => Array.from(rng.normals(n), (z) => ({ level: edmAt(Math.exp(mean + deviation * z)) })) };
}
