import type { Level } from '../levels/level';
import { lambda } from './arithmetic';

/** A step that is more than so many times as long in λ as the one before it believes x̂_0 alone. */
const LONGEST = 2;

/**
 * The order of a multistep method's step: as high as the evaluations so far allow, and 1 at the image, where λ is
 * infinite, and where the step is so much longer than the one before that a line through the past would be drawn too
 * far: such is the one to t = 0 of `leading` and `linspace`. With `lowered` it is no more than the steps that are left
 * ("lower order final"); unless `cautious`, suddenly longer steps are as others.
 */
export function stepOrder(
  levels: readonly Level[],
  index: number,
  order: number,
  known: number,
  lowered: boolean,
  cautious = true,
): number {
  const left = levels.length - 1 - index;
  if (levels[index + 1].sigma === 0) return 1;
  const length = (i: number) => lambda(levels[i + 1]) - lambda(levels[i]);
  if (cautious && index > 0 && length(index) > LONGEST * length(index - 1)) return 1;
  return Math.min(order, known, lowered ? left : order);
}

/** Lu et al. lower the order at the end of runs shorter than this. */
export const shortRun = (levels: readonly Level[]): boolean => levels.length - 1 < 15;

/** @throws RangeError unless the order is one of 1 … most */
export function checkOrder(who: string, order: number, most: number): void {
  if (!Number.isInteger(order) || order < 1 || order > most)
    throw new RangeError(`${who}: order must be a whole number from 1 to ${most}, got ${order}`);
}
