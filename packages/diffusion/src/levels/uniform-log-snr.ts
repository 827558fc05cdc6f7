import type { Level } from './level';
import { clean } from './level';
import type { LevelScale } from './scale';

/**
 * Levels whose λ = log(signal/sigma) goes up in even steps (Lu et al. 2022), and at last the image. It is the same as σ
 * in even ratios, which k-diffusion calls exponential.
 * @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0
 */
export function uniformLogSnr(scale: LevelScale, steps: number): Level[] {
  const { min, max } = scale;
  return spaced('uniformLogSnr', scale, steps, (share) => max * (min / max) ** share);
}

/**
 * So many steps from the greatest σ to the least, and at last the image; the first of them from noise alone, where the
 * scale has that.
 * @param at σ at a share of the way from the greatest, 0, to the least, 1
 * @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0
 */
export function spaced(who: string, scale: LevelScale, steps: number, at: (share: number) => number): Level[] {
  const { min, max, noise } = scale;
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`${who}: steps must be a positive whole number, got ${steps}`);
  if (!(min > 0 && max >= min && max < Infinity))
    throw new RangeError(
      `${who}: σ must run between two numbers above 0, got ${min} and ${max}; give the scale other ends`,
    );
  const length = noise ? steps - 1 : steps;
  return [
    ...(noise ? [noise] : []),
    ...Array.from({ length }, (_, i) => scale.at(at(i / Math.max(1, length - 1)))),
    clean,
  ];
}
