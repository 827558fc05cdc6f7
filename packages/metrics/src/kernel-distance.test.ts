import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import { kernelDistance } from './index';
import { discrepancy } from './kernel-distance';

const normals = (seed: number, n: number, { width = 1, mean = 0 } = {}) => ({
  data: Float64Array.from(new Random(seed).normals(n * width), (value) => value + mean),
  width,
});

describe('the kernel distance', () => {
  test('of a block is that of the features which the kernel stands for: (xy + 1)³ = φ(x)·φ(y)', () => {
    const [x, y] = [normals(1, 7).data, normals(2, 7, { mean: 0.5 }).data];
    const phi = (v: number) => [1, Math.sqrt(3) * v, Math.sqrt(3) * v * v, v ** 3];
    const sums = [x, y].map((values) => [0, 1, 2, 3].map((k) => values.reduce((sum, value) => sum + phi(value)[k], 0)));
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, k) => sum + value * b[k], 0);
    const own = [x, y].map((values) => values.reduce((sum, value) => sum + dot(phi(value), phi(value)), 0));
    const within = sums.map((sum, i) => (dot(sum, sum) - own[i]) / (7 * 6));
    const expected = within[0] + within[1] - (2 * dot(sums[0], sums[1])) / 49;
    expect(discrepancy(x, y, 7, 1)).toBeCloseTo(expected, 11);
  });

  test('is unbiased: of N(μ, 1) and N(0, 1) it is 3 μ² + 3 μ⁴ + (μ³ + 3 μ)² within its error', () => {
    const [mean, n] = [0.3, 4000];
    const expected = 3 * mean ** 2 + 3 * mean ** 4 + (mean ** 3 + 3 * mean) ** 2;
    const { value, error } = kernelDistance(normals(3, n, { mean }), normals(4, n));
    expect(Math.abs(value - expected)).toBeLessThan(3 * error);
    expect(error).toBeLessThan(0.2 * expected);
  });

  test('says its error as large as it is', () => {
    const all = Array.from({ length: 40 }, (_, seed) =>
      kernelDistance(normals(100 + seed, 200, { width: 2 }), normals(200 + seed, 200, { width: 2 })),
    );
    const spread = Math.sqrt(all.reduce((sum, { value }) => sum + value ** 2, 0) / all.length);
    const said = Math.sqrt(all.reduce((sum, { error }) => sum + error ** 2, 0) / all.length);
    expect(said / spread).toBeGreaterThan(0.7);
    expect(said / spread).toBeLessThan(1.4);
  });

  test('does not depend on the order in which classes come', () => {
    const [a, b] = [normals(5, 400), normals(6, 400)];
    for (const { data } of [a, b]) data.sort();
    const { value, error } = kernelDistance(a, b);
    expect(Math.abs(value)).toBeLessThan(3 * error);
    expect(kernelDistance(a, b)).toEqual({ value, error });
    expect(kernelDistance(a, b, { seed: 1 })).not.toEqual({ value, error });
  });

  test('names what is wrong', () => {
    expect(() => kernelDistance(normals(1, 19), normals(1, 100))).toThrow(
      'kernelDistance: 10 blocks need the features of at least 20 images, got those of 19',
    );
    expect(() => kernelDistance(normals(1, 19), normals(1, 19), { blocks: 1 })).toThrow(
      'kernelDistance: blocks must be a whole number of at least 2, got 1',
    );
    expect(() => kernelDistance(normals(1, 4), normals(1, 4, { width: 2 }))).toThrow('of one width, got 1 and 2');
    expect(() => kernelDistance(normals(1, 40), normals(1, 40, { mean: Infinity }))).toThrow(
      'kernelDistance: features must be finite, but row 0 has Infinity at 0',
    );
  });
});
