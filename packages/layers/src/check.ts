import type * as tf from '@tensorflow/tfjs-core';

/** @throws RangeError naming the owner and the first of the values that is not a whole number of at least 1. */
export function checkSizes(who: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`${who}: ${name} must be a whole number of at least 1, got ${size}`);
  }
}

/** @throws RangeError unless `total` is a multiple of `parts`; both by their names. */
export function checkDivides(
  who: string,
  [totalName, total]: [string, number],
  [partsName, parts]: [string, number],
): void {
  if (total % parts !== 0)
    throw new RangeError(`${who}: ${totalName} (${total}) must be a multiple of ${partsName} (${parts})`);
}

/**
 * @param expected sizes; a letter stands for any size, and `...` in front for any number of axes
 * @throws RangeError unless x is of that shape.
 */
export function checkShape(who: string, x: tf.Tensor, expected: readonly (number | string)[], what = 'a tensor'): void {
  const anyRank = expected[0] === '...';
  const axes = anyRank ? expected.slice(1) : expected;
  const start = x.rank - axes.length;
  const fits =
    (anyRank ? start >= 0 : start === 0) &&
    axes.every((size, i) => typeof size === 'string' || x.shape[start + i] === size);
  if (!fits) throw new RangeError(`${who}: expected ${what} [${expected.join(', ')}], got [${x.shape.join(', ')}]`);
}

/** @throws RangeError unless x is a batch of images with so many channels. */
export function checkImages(who: string, x: tf.Tensor, channels: number): void {
  checkShape(who, x, ['n', 'h', 'w', channels]);
}
