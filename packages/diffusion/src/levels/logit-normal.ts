import { flowAt } from './level';
import type { LevelSource } from './source';

/**
 * A flow's levels with ln(t/(1 − t)) ~ N(mean, deviation²): most of them half-way, where the direction is hardest to
 * say (Esser et al. 2024, eq. 19).
 * @param options.mean of ln(t/(1 − t)), 0 by default; above it, more noise
 * @param options.deviation of ln(t/(1 − t)); 1 by default
 * @throws RangeError unless mean is a number, and deviation one of at least 0
 */
export function logitNormal({ mean = 0, deviation = 1 } = {}): LevelSource {
  if (!Number.isFinite(mean) || !(deviation >= 0 && deviation < Infinity))
    throw new RangeError(
      `logitNormal: mean must be a number and deviation one of at least 0, got ${mean} and ${deviation}`,
    );
  return {
    draw: (n, rng) =>
      Array.from(rng.normals(n), (z) => ({ level: flowAt(1 / (1 + Math.exp(-(mean + deviation * z)))) })),
  };
}
