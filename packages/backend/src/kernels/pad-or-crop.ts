import * as tf from '@tensorflow/tfjs-core';

/** Adds elements of a value before and after each axis, or removes as many where a number is negative. */
export function padOrCrop<T extends tf.Tensor>(x: T, margins: readonly (readonly [number, number])[], value = 0): T {
  const added = margins.map(([before, after]): [number, number] => [Math.max(0, before), Math.max(0, after)]);
  // First what is added: more may be removed at one end than the tensor itself has.
  const padded = added.some(([before, after]) => before + after > 0) ? tf.pad(x, added, value) : x;
  if (margins.every(([before, after]) => before >= 0 && after >= 0)) return padded;
  const begin = margins.map(([before]) => Math.max(0, -before));
  const size = margins.map(([before, after], axis) => x.shape[axis] + before + after);
  return tf.slice(padded, begin, size);
}
