import type { Level } from './level';
import type { LevelScale } from './scale';
import { between, spaced } from './spaced';

/**
 * Levels with σ in even ratios from the greatest to the least, and at last the image: what k-diffusion and diffusers
 * call exponential, and the latter also `use_lu_lambdas`.
 * @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0
 */
export function exponential(scale: LevelScale, steps: number): Level[] {
  const { min, max } = scale;
  return spaced('exponential', scale, steps, (index, length) => max * (min / max) ** between(index, length));
}
