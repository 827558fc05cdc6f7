import { expect, test } from '@jest/globals';
import { quarters } from './denoise';

test('quarters are the mean losses by the quarters of the timesteps', () => {
  const time = { data: Float32Array.of(0, 24, 25, 99), item: [] };
  expect(quarters(Float32Array.of(1, 2, 3, 4), time, 100)).toEqual([1.5, 3, null, 4]);
});
