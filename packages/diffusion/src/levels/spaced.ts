import type { Level } from './level';
import { clean } from './level';
import type { LevelScale } from './scale';

/**
 * So many levels by their σ, from the greatest on, and at last the image; the first step is from noise alone, where the
 * scale has that.
 * @param at σ of each of so many levels, by its number
 * @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0
 */
export function spaced(
  who: string,
  scale: LevelScale,
  steps: number,
  at: (index: number, length: number) => number,
): Level[] {
  const { min, max, noise } = scale;
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`${who}: steps must be a positive whole number, got ${steps}`);
  if (!(min > 0 && max >= min && max < Infinity))
    throw new RangeError(
      `${who}: σ must run between two numbers above 0, got ${min} and ${max}; give the scale other ends`,
    );
  const length = noise ? steps - 1 : steps;
  return [...(noise ? [noise] : []), ...Array.from({ length }, (_, i) => scale.at(at(i, length))), clean];
}

/** How far a level lies from the first, 0, to the last, 1. */
export const between = (index: number, length: number): number => index / Math.max(1, length - 1);
