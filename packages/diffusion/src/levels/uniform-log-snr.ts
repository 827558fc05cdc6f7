import type { Level } from './level';
import { clean } from './level';
import type { LevelScale } from './scale';

/**
 * Levels whose λ = log(signal/sigma) goes up in even steps (Lu et al. 2022), and at last the image. It is the same as σ
 * in even ratios, which k-diffusion calls exponential.
 * @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0
 */
export function uniformLogSnr(scale: LevelScale, steps: number): Level[] {
  checkSpacing('uniformLogSnr', scale, steps);
  const { min, max } = scale;
  return [
    ...Array.from({ length: steps }, (_, i) => scale.at(max * (min / max) ** (i / Math.max(1, steps - 1)))),
    clean,
  ];
}

/** @throws RangeError unless steps is a positive whole number and the scale's ends are numbers above 0 */
export function checkSpacing(who: string, { min, max }: LevelScale, steps: number): void {
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`${who}: steps must be a positive whole number, got ${steps}`);
  if (!(min > 0 && max >= min && max < Infinity))
    throw new RangeError(
      `${who}: σ must run between two numbers above 0, got ${min} and ${max}; give the scale other ends`,
    );
}
