import type { Batch } from '@ddpm/train';

/**
 * The class that somebody means, by its name in any case, or by its number.
 * @throws RangeError that lists the names, or how many classes there are
 */
export function classNumber(classNames: readonly string[], asked: string): number {
  const byName = classNames.findIndex((name) => name.toLowerCase() === asked.toLowerCase());
  if (byName >= 0) return byName;
  const number = asked.trim() === '' ? NaN : Number(asked);
  if (Number.isInteger(number) && number >= 0 && number < classNames.length) return number;
  throw new RangeError(
    `expected a class, ${classNames.join(', ')}, or its number from 0 to ${classNames.length - 1}; got '${asked}'`,
  );
}

/** The condition `label` of so many images: these classes in turn, or, where none are named, all of them. */
export function labels(count: number, { classes, only }: { classes: number; only?: readonly number[] }): Batch {
  return {
    label: {
      data: Int32Array.from({ length: count }, (_, i) => (only ? only[i % only.length] : i % classes)),
      item: [],
    },
  };
}
