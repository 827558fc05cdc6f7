import { expect, test } from '@jest/globals';
import { smooth } from './smooth';

test('is the weighted mean that it says', () => {
  const y = [3, -1, NaN, 4, 10, 0.5];
  const points = 3;
  const direct = y.map((here, i) => {
    if (Number.isNaN(here)) return NaN;
    const weights = y.map((v, j) => (Number.isNaN(v) ? 0 : Math.exp((-2 * Math.abs(i - j)) / points)));
    const sum = weights.reduce((s, w, j) => s + (w && w * y[j]), 0);
    return sum / weights.reduce((a, b) => a + b);
  });
  const smoothed = [...smooth(y, points)];
  expect(smoothed.map(Number.isNaN)).toEqual(y.map(Number.isNaN));
  smoothed.forEach((value, i) => Number.isNaN(value) || expect(value).toBeCloseTo(direct[i], 12));
});

test('keeps a constant, does not lag on a ramp, and takes noise away', () => {
  for (const value of smooth(new Array(20).fill(2.5), 7)) expect(value).toBeCloseTo(2.5, 12);
  expect(
    smooth(
      Array.from({ length: 1001 }, (_, i) => i),
      10,
    )[500],
  ).toBeCloseTo(500, 9);
  expect(
    Math.abs(
      smooth(
        Array.from({ length: 1001 }, (_, i) => (-1) ** i),
        20,
      )[500],
    ),
  ).toBeLessThan(0.01);
  expect(() => smooth([1], 0)).toThrow('smooth: points must be at least 1, got 0');
});
