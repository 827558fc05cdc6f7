import type * as tf from '@tensorflow/tfjs-core';

/** @throws RangeError naming the owner and the first of the values that is not a whole number of at least 1. */
export function checkSizes(who: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`${who}: ${name} must be a whole number of at least 1, got ${size}`);
  }
}

/** @throws RangeError unless x has the given rank and last dimension. */
export function checkChannels(who: string, x: tf.Tensor, rank: number, channels: number): void {
  if (x.rank !== rank || x.shape[rank - 1] !== channels) {
    const expected = [...(rank === 4 ? ['n', 'h', 'w'] : ['n']), channels].join(', ');
    throw new RangeError(`${who}: expected a tensor [${expected}], got [${x.shape.join(', ')}]`);
  }
}
