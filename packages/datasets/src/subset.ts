import type { Dataset } from './dataset';

/** Some of a dataset's images, as a dataset: those of these numbers, in this order. */
export function choose(dataset: Dataset, numbers: ArrayLike<number>): Dataset {
  return {
    ...dataset,
    size: numbers.length,
    image: (i) => dataset.image(numbers[i]),
    ...(dataset.label && { label: (i: number) => dataset.label!(numbers[i]) }),
    ...(dataset.encoded && {
      encoded: { ...dataset.encoded, read: (i, options) => dataset.encoded!.read(numbers[i], options) },
    }),
    ...(dataset.captions && { captions: (i: number) => dataset.captions!(numbers[i]) }),
  };
}

/** Some of a dataset's images, as a dataset: those from `start` on, before `end`. */
export const subset = (dataset: Dataset, start: number, end: number): Dataset =>
  choose(
    dataset,
    Int32Array.from({ length: end - start }, (_, i) => start + i),
  );

/**
 * A dataset in two: so many images, spread evenly over it, and the others. Of images that lie by classes, each class
 * gives its share.
 * @param n how many are held out
 * @throws RangeError unless n is a whole number from 0 to one less than there are images
 */
export function holdOut(dataset: Dataset, n: number): { readonly kept: Dataset; readonly heldOut: Dataset } {
  const { size } = dataset;
  if (!Number.isInteger(n) || n < 0 || n >= size)
    throw new RangeError(`holdOut: must leave some of ${size} images, and hold out a whole number of them; got ${n}`);
  // The middle of each of n parts of equal length.
  const numbers = Array.from({ length: n }, (_, k) => Math.floor(((k + 0.5) * size) / n));
  const out = new Set(numbers);
  const others = Array.from({ length: size }, (_, i) => i).filter((i) => !out.has(i));
  return { kept: choose(dataset, others), heldOut: choose(dataset, numbers) };
}
