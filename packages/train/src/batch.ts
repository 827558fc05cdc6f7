import * as tf from '@tensorflow/tfjs-core';

/** One field of a batch: the values of every example, one example after the other. */
export interface Rows {
  /** Int32Array for labels and tokens, Float32Array for all else. */
  readonly data: Float32Array | Int32Array;
  /** The shape of one example: [h, w, c] of images, [] of labels, [length, features] of token sequences. */
  readonly item: readonly number[];
}

/** Examples by the names of their fields (image, label, tokens, …); every field has as many. */
export type Batch = Readonly<Record<string, Rows>>;

/** Tensors by the names of a batch's fields, [n, …item] each. */
export type Inputs = Readonly<Record<string, tf.Tensor>>;

/**
 * How many examples a batch has.
 * @throws RangeError unless there is a field, and all have the same whole number of examples, at least 1
 */
export function count(batch: Batch): number {
  const counts = Object.entries(batch).map(([name, { data, item }]) => ({
    name,
    n: data.length / tf.util.sizeFromShape([...item]),
  }));
  if (counts.length === 0) throw new RangeError('batch: expected at least one field, got none');
  const [first] = counts;
  for (const { name, n } of counts) {
    if (!Number.isInteger(n) || n < 1 || n !== first.n)
      throw new RangeError(
        `batch: ${name} has ${n} examples, and ${first.name} ${first.n}; expected the same whole number, at least 1`,
      );
  }
  return first.n;
}

/** The examples from `start` on, before `end`, as views of the batch's arrays. */
export function part(batch: Batch, start: number, end: number): Batch {
  return Object.fromEntries(
    Object.entries(batch).map(([name, { data, item }]) => {
      const size = tf.util.sizeFromShape([...item]);
      return [name, { data: data.subarray(start * size, end * size), item }];
    }),
  );
}

/** The type of a field's tensor. An array of another realm, such as a test runner's, is known by its tag. */
export const dtypeOf = ({ data }: Pick<Rows, 'data'>): 'int32' | 'float32' =>
  data[Symbol.toStringTag] === 'Int32Array' ? 'int32' : 'float32';

/** A batch as tensors of the active backend, which the caller owns. */
export function tensors(batch: Batch): Inputs {
  const n = count(batch);
  return Object.fromEntries(
    Object.entries(batch).map(([name, { data, item }]) => [name, tf.tensor(data, [n, ...item], dtypeOf({ data }))]),
  );
}
