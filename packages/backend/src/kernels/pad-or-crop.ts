import * as tf from '@tensorflow/tfjs-core';

/** Adds zeros before and after each axis, or removes as many elements where a number is negative. */
export function padOrCrop<T extends tf.Tensor>(x: T, margins: readonly (readonly [number, number])[]): T {
  const cut = (amount: number) => Math.max(0, -amount);
  const begin = margins.map(([before]) => cut(before));
  const size = margins.map(([before, after], axis) => x.shape[axis] - cut(before) - cut(after));
  const kept = size.some((length, axis) => length < x.shape[axis]) ? tf.slice(x, begin, size) : x;
  if (margins.every(([before, after]) => before <= 0 && after <= 0)) return kept;
  return tf.pad(
    kept,
    margins.map(([before, after]) => [Math.max(0, before), Math.max(0, after)]),
  );
}
