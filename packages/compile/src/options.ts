import { availableParallelism } from 'node:os';

/** @throws RangeError naming the option, unless it is 'auto', a positive integer or absent */
export function checkCount(who: string, name: string, value: 'auto' | number | undefined): void {
  if (value !== undefined && value !== 'auto' && !(Number.isInteger(value) && value > 0)) {
    throw new RangeError(`${who}: ${name} must be 'auto' or a positive integer, got ${value}`);
  }
}

/** 'auto' is one for each processor. */
export const threadCount = (threads: 'auto' | number = 'auto'): number => (threads === 'auto' ? availableParallelism() : threads);

/** Traced to find out how large results are, where the micro-batch is to follow from that. */
export const guessedMicroBatch = 8;

/** Bytes of the largest intermediate result that 'auto' aims for: what leaves room for a few of them in a core's share of the cache. */
const targetBytes = 2 ** 22;

/** The power of two that brings a result of so many bytes an example closest to that; 128 at most: of what needs so little, more gain nothing. */
export const microBatchFor = (bytesEach: number): number => 2 ** Math.max(0, Math.min(7, Math.round(Math.log2(targetBytes / bytesEach))));
