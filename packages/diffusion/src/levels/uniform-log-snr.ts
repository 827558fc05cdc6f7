import type { Level } from './level';
import type { LevelScale } from './scale';
import { spaced } from './spaced';

/**
 * Levels whose λ = log(signal/sigma) goes up in even steps, of which the last would end at the least σ (Lu et al. 2022,
 * §3.4), but goes to the image instead: there is next to no noise left to be told apart from it. `exponential` has the
 * least σ among its levels, and so steps that are longer.
 * @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0
 */
export function uniformLogSnr(scale: LevelScale, steps: number): Level[] {
  const { min, max } = scale;
  return spaced('uniformLogSnr', scale, steps, (index, length) => max * (min / max) ** (index / length));
}
