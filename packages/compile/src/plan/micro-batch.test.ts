import { expect, test } from '@jest/globals';
import { microBatchFor } from './micro-batch';

const MB = 2 ** 20;

test('a micro-batch keeps the largest result in the cache, unless the gradients cost more than that saves', () => {
  const largest = 2.4 * MB;
  const all = 200 * MB;
  expect(microBatchFor({ largest, all, gradients: 0 })).toBe(2);
  expect(microBatchFor({ largest, all, gradients: 16 * MB })).toBe(2);
  expect(microBatchFor({ largest, all, gradients: 143 * MB })).toBe(4);
});
