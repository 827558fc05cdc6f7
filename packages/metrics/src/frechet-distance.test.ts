import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import type { Moments } from './index';
import { frechetDistance, moments } from './index';

const gaussian = (mean: readonly number[], covariance: readonly number[]): Moments => ({
  count: 100,
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance),
});
const normals = (seed: number, n: number, width: number) => ({ data: new Random(seed).normals(n * width), width });

describe('the Fréchet distance', () => {
  test('of covariances that commute is that of their standard deviations', () => {
    const a = gaussian([1, 2, 3], [4, 0, 0, 0, 9, 0, 0, 0, 0.25]);
    const b = gaussian([1, 0, 3.5], [1, 0, 0, 0, 16, 0, 0, 0, 0]);
    expect(frechetDistance(a, b)).toBeCloseTo(4 + 0.25 + 1 + 1 + 0.25, 12);
  });
  test('of 2×2 covariances is by tr √M = √(tr M + 2 √det M)', () => {
    const [a, b] = [gaussian([0, 0], [2, 0.7, 0.7, 1]), gaussian([0, 0], [1, -0.4, -0.4, 3])];
    const product = [2 - 0.28, -0.8 + 2.1, 0.7 - 0.4, -0.28 + 3];
    const determinant = product[0] * product[3] - product[1] * product[2];
    const root = Math.sqrt(product[0] + product[3] + 2 * Math.sqrt(determinant));
    expect(frechetDistance(a, b)).toBeCloseTo(7 - 2 * root, 12);
  });
  test('of covariances of rank 1, u uᵀ and v vᵀ, is by |u·v|', () => {
    const [u, v] = [normals(1, 1, 40).data, normals(2, 1, 40).data].map((values) => Array.from(values));
    const of = (w: number[]) =>
      gaussian(
        w.map(() => 0),
        w.flatMap((x) => w.map((y) => x * y)),
      );
    const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
    const expected = dot(u, u) + dot(v, v) - 2 * Math.abs(dot(u, v));
    expect(Math.abs(frechetDistance(of(u), of(v)) / expected - 1)).toBeLessThan(1e-13);
  });
  test('of fewer images than features to themselves is 0, rotated or not, and it is symmetric', () => {
    const [a, b] = [moments(normals(3, 10, 30)), moments(normals(4, 12, 30))];
    expect(frechetDistance(a, a)).toBeLessThan(1e-12);
    expect(frechetDistance(a, b)).toBeGreaterThan(1);
    expect(frechetDistance(b, a)).toBeCloseTo(frechetDistance(a, b), 11);
  });
  test('to a distribution without variance is what is left', () => {
    expect(frechetDistance(gaussian([0, 0], [1, 0, 0, 2]), gaussian([3, 0], [0, 0, 0, 0]))).toBe(12);
  });
  test('names what is wrong', () => {
    expect(() => frechetDistance(gaussian([0], [1]), gaussian([0, 0], [1, 0, 0, 1]))).toThrow(
      'frechetDistance: expected features of one width, got 1 and 2',
    );
  });
});
