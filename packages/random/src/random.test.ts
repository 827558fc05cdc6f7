import { describe, expect, test } from '@jest/globals';
import { Random, sideBySide } from './random';

const mean = (xs: ArrayLike<number>) => Array.from(xs).reduce((a, b) => a + b, 0) / xs.length;

describe('Random', () => {
  test('pins the numbers of a seed, so that no version changes them unnoticed', () => {
    const random = new Random(42);
    expect([random.integer(1000), random.uniform(), random.normal()]).toMatchInlineSnapshot(`
     [
       627,
       0.5544304226806105,
       1.6271366159005476,
     ]
    `);
  });

  test('goes on exactly from a saved state', () => {
    const random = new Random([7, 3]);
    random.normals(5);
    const copy = Random.fromState(JSON.parse(JSON.stringify(random.state())) as number[]);
    expect(copy.normals(7)).toEqual(random.normals(7));
    expect(copy.state()).toEqual(random.state());
  });

  test('seeds and their parts give unrelated streams', () => {
    const first = new Set<number>();
    for (let seed = 0; seed < 50; seed++)
      for (let part = 0; part < 50; part++) first.add(new Random([seed, part]).uniform());
    expect(first.size).toBe(2500);
    expect(new Random([1, 2]).uniform()).not.toBe(new Random([2, 1]).uniform());
    expect(new Random(2 ** 32).uniform()).not.toBe(new Random(0).uniform());
  });

  test('a name is a part of the seed, and is taken for no other name and no number', () => {
    const seeds = [
      [1],
      [1, 'train'],
      [1, 'train', 0],
      [1, 'trai', 'n', 0],
      [1, 'sample', 0],
      ['train', 1],
      [1, ''],
      [1, 'a'],
      [1, 97],
      [1, 'a', 'b'],
      [1, 'ab'],
    ];
    expect(new Set(seeds.map((seed) => new Random(seed).uniform())).size).toBe(seeds.length);
    expect(new Random([1, 'train', 5]).uniform()).toBe(new Random([1, 'train', 5]).uniform());
    expect(() => new Random([1, 'a', NaN])).toThrow('got NaN');
  });

  test('first draws over neighbouring seeds are as uniform as draws of one stream', () => {
    const first = Array.from({ length: 2500 }, (_, i) => new Random([i % 50, Math.floor(i / 50)]).uniform());
    // σ of the mean is 0.0058.
    expect(Math.abs(mean(first) - 0.5)).toBeLessThan(0.025);
  });

  test('normals have the moments of N(0, 1) and the right tails', () => {
    const n = 200_000;
    const x = new Random(1).normals(n);
    expect(Math.abs(mean(x))).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(mean(x.map((v) => v * v)) - 1)).toBeLessThan((4 * Math.SQRT2) / Math.sqrt(n));
    expect(Math.abs(mean(x.map((v) => v ** 4)) - 3)).toBeLessThan((4 * Math.sqrt(96)) / Math.sqrt(n));
    expect(Math.abs(mean(x.map((v, i) => v * (x[i + 1] ?? 0))))).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(x.filter((v) => v > 1.959964).length / n - 0.025)).toBeLessThan(0.0015);
  });

  test('integers are uniform over their range (χ² of 10 cells below its 99.9% point)', () => {
    const counts = new Array<number>(10).fill(0);
    for (const i of new Random(3).integers(100_000, 10)) counts[i]++;
    expect(counts.reduce((sum, c) => sum + (c - 10_000) ** 2 / 10_000, 0)).toBeLessThan(27.9);
  });

  test('shuffle permutes, every position alike', () => {
    const random = new Random(4);
    const sums = new Float64Array(6);
    for (let k = 0; k < 6000; k++) {
      const order = random.shuffle(Int32Array.of(0, 1, 2, 3, 4, 5));
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5]);
      order.forEach((v, i) => (sums[i] += v));
    }
    for (const sum of sums) expect(Math.abs(sum / 6000 - 2.5)).toBeLessThan(0.1);
  });

  test('names what is wrong', () => {
    expect(() => new Random(1.5)).toThrow('Random: a seed must be a whole number up to 2^53 − 1, got 1.5');
    expect(() => new Random([1, NaN])).toThrow('got NaN');
    expect(() => new Random(1).integer(0)).toThrow('Random.integer: n must be a whole number of at least 1, got 0');
    for (const state of [[], [0, 0, 0, 0], [1, 2, 3], [1, 2, 3, 4.5], [1, 2, 3, 2 ** 40]]) {
      expect(() => Random.fromState(state)).toThrow('Random: a state is four 32-bit integers');
    }
  });
});

describe('sideBySide', () => {
  test('gives each source its share, whatever the others are', () => {
    const of = (...seeds: number[]) => sideBySide(seeds.map((seed) => new Random(seed)));
    expect(of(1, 2, 3).normals(12).subarray(4, 8)).toEqual(of(2).normals(4));
    expect(() => of(1, 2).normals(3)).toThrow('sideBySide: 3 numbers cannot be shared equally by 2 sources');
  });
});
