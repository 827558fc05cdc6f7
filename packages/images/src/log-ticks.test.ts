import { expect, test } from '@jest/globals';
import { logTicks } from './log-ticks';

test('chooses a few round values, coarse or fine as the range needs', () => {
  expect(logTicks(0.0087, 1.02)).toEqual([0.01, 0.1, 1]);
  expect(logTicks(0.03, 1)).toEqual([0.05, 0.1, 0.2, 0.5, 1]);
  expect(logTicks(3, 8)).toEqual([3, 4, 5, 6, 7, 8]);
  expect(logTicks(0.0401, 0.0432)).toEqual([0.041, 0.042, 0.043]);
  expect(logTicks(1e-30, 1)).toHaveLength(8);
  expect(logTicks(1, 1 + 1e-9)).toEqual([1, 1 + 1e-9]);
});
