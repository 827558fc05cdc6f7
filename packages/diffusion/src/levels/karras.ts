import type { Level } from './level';
import type { LevelScale } from './scale';
import { between, spaced } from './spaced';

/**
 * Levels with σ^(1/ρ) in even steps from the greatest to the least (Karras et al. 2022, eq. 5), and at last the image:
 * short steps where σ is small.
 * @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0
 */
export function karras(scale: LevelScale, steps: number, { rho = 7 } = {}): Level[] {
  const [from, to] = [scale.max ** (1 / rho), scale.min ** (1 / rho)];
  return spaced('karras', scale, steps, (index, length) => (from + between(index, length) * (to - from)) ** rho);
}
