import { processors } from './threads';

/** @throws RangeError naming the option, unless it is 'auto', a positive integer or absent */
export function checkCount(who: string, name: string, value: 'auto' | number | undefined): void {
  if (value !== undefined && value !== 'auto' && !(Number.isInteger(value) && value > 0)) {
    throw new RangeError(`${who}: ${name} must be 'auto' or a positive integer, got ${value}`);
  }
}

/** 'auto' is one for each processor. */
export const threadCount = (threads: 'auto' | number = 'auto'): number => (threads === 'auto' ? processors() : threads);
