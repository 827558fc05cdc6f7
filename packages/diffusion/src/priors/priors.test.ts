import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import type { Batch } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import { edmAt, levelAt, matched, momentsOf, showsImages, standard } from '../index';
import type { Level, Moments, Prior } from '../index';

const size = 6;
const item = [2, 3, 1];
const level: Level = { signal: 0.36, sigma: 0.93, time: 199 };

/** Mean and covariance of x, exactly, since it is linear in the noise: x = b + A z. */
function momentsAt(prior: Prior, at: Level, label?: number) {
  const mean = prior(new Float32Array(size), at, label);
  const columns = Array.from({ length: size }, (_, d) => {
    const unit = new Float32Array(size);
    unit[d] = 1;
    return prior(unit, at, label).map((value, i) => value - mean[i]);
  });
  const covariance = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => columns.reduce((sum, column) => sum + column[i] * column[j], 0)),
  );
  return { mean, covariance };
}

/** n images from N(μ, Σ), Σ = B Bᵀ + 0.01 I with three columns in B. */
function drawn(n: number, seed: number): Float32Array {
  const rng = new Random(seed);
  const [mu, b] = [rng.normals(size), rng.normals(3 * size)];
  const data = new Float32Array(n * size);
  for (let i = 0; i < n; i++) {
    const [z, noise] = [rng.normals(3), rng.normals(size)];
    for (let d = 0; d < size; d++)
      data[i * size + d] = mu[d] + [0, 1, 2].reduce((sum, j) => sum + b[j * size + d] * z[j], 0) + 0.1 * noise[d];
  }
  return data;
}

/** Mean and covariance of images, the plain way. */
function plain(data: Float32Array) {
  const n = data.length / size;
  const at = (i: number, d: number) => data[i * size + d];
  const over = (of: (i: number) => number) => Array.from({ length: n }, (_, i) => of(i)).reduce((a, b) => a + b) / n;
  const mean = Array.from({ length: size }, (_, d) => over((i) => at(i, d)));
  const covariance = mean.map((_, d) => mean.map((__, e) => over((i) => (at(i, d) - mean[d]) * (at(i, e) - mean[e]))));
  return { mean, covariance };
}

const batch = (data: Float32Array, labels?: number[]): Batch => ({
  image: { data, item },
  ...(labels && { label: { data: Int32Array.from(labels), item: [] } }),
});
const trace = (covariance: readonly (readonly number[])[]) => covariance.reduce((sum, row, i) => sum + row[i], 0);
function expectX(prior: Prior, { mean, covariance }: ReturnType<typeof plain>, at: Level, label?: number) {
  const x = momentsAt(prior, at, label);
  mean.forEach((value, i) => expect(x.mean[i]).toBeCloseTo(at.signal * value, 5));
  covariance.forEach((row, i) =>
    row.forEach((value, j) =>
      expect(x.covariance[i][j]).toBeCloseTo(at.signal ** 2 * value + (i === j ? at.sigma ** 2 : 0), 4),
    ),
  );
}

describe('matched', () => {
  test('has the mean and covariance of q(x_T) exactly, where Σ has as few directions as are kept', () => {
    // Two orthonormal directions.
    const [a, b] = [
      [0.6, 0, 0.8, 0, 0, 0],
      [0, 1, 0, 0, 0, 0],
    ];
    const mean = [0.5, -0.5, 0.2, 0, 0.1, -1];
    const moments: Moments = {
      mean: { shape: [1, ...item], data: Float32Array.from(mean) },
      directions: { shape: [1, 2, ...item], data: Float32Array.from([...a, ...b]) },
      variances: { shape: [1, 2], data: Float32Array.of(4, 0.5) },
      rest: { shape: [1], data: Float32Array.of(0.04) },
    };
    const covariance = mean.map((_, i) =>
      mean.map((__, j) => (4 - 0.04) * a[i] * a[j] + (0.5 - 0.04) * b[i] * b[j] + (i === j ? 0.04 : 0)),
    );
    for (const at of [level, edmAt(2), { signal: 0, sigma: 1, time: 9 }])
      expectX(matched(moments), { mean, covariance }, at);
  });

  test('of measured images, all directions kept, is that of q(x_T) for their own mean and covariance', async () => {
    const data = drawn(300, 1);
    expectX(matched(await momentsOf([batch(data)], { directions: size })), plain(data), level);
  });

  test('of each class is that of its images, and without a label that of all', async () => {
    const parts = [drawn(100, 1), drawn(200, 2)];
    const all = Float32Array.from(parts.flatMap((part) => [...part]));
    const labels = [...new Array<number>(100).fill(0), ...new Array<number>(200).fill(1)];
    const prior = matched(await momentsOf([batch(all, labels)], { directions: size, classes: 3 }));
    parts.forEach((part, label) => expectX(prior, plain(part), level, label));
    // A class that no image has is drawn as if it were any.
    for (const label of [2, 3, undefined]) expectX(prior, plain(all), level, label);
    expect(() => prior(new Float32Array(size), level, 4)).toThrow(
      'matched: there are moments of 4 groups, and none for the label 4',
    );
  });

  test('with images that are all one is that image and noise', async () => {
    const one = Float32Array.of(1, -1, 0.5, 0, 0, 1);
    const prior = matched(await momentsOf([batch(one)], { directions: 4 }));
    expectX(prior, { mean: [...one], covariance: [...one].map(() => [...one].map(() => 0)) }, level);
  });
});

describe('momentsOf', () => {
  test('keeps the directions that the most variance lies along, and the trace', async () => {
    const data = drawn(400, 3);
    const { covariance } = plain(data);
    const { directions, variances, rest } = await momentsOf([batch(data)], { directions: 3 });
    expect(variances.data.reduce((sum, value) => sum + value, 0) + 3 * rest.data[0]).toBeCloseTo(trace(covariance), 4);
    // Σ has three: a fourth holds no more than the noise of 0.1.
    expect(rest.data[0]).toBeLessThan(0.02);
    for (let i = 0; i < 3; i++) {
      const v = directions.data.subarray(i * size, (i + 1) * size);
      const image = covariance.map((row) => row.reduce((sum, value, d) => sum + value * v[d], 0));
      image.forEach((value, d) => expect(value).toBeCloseTo(variances.data[i] * v[d], 3));
    }
    expect([...variances.data].sort((p, q) => q - p)).toEqual([...variances.data]);
  });

  test('is the same however the images come, and for every number of batches', async () => {
    const data = drawn(50, 4);
    const halves = [batch(data.subarray(0, 20 * size)), batch(data.subarray(20 * size))];
    expect(await momentsOf(halves)).toEqual(await momentsOf([batch(data)]));
  });

  test.each([
    [[], {}, 'momentsOf: expected images, got none'],
    [[{ label: { data: Int32Array.of(1), item: [] } }], {}, "momentsOf: the examples need an 'image'"],
    [[batch(drawn(1, 1))], { classes: 2 }, "momentsOf: the examples need an 'image' and a 'label'"],
    [[batch(drawn(1, 1), [2])], { classes: 2 }, 'momentsOf: a label must be a class from 0 to 1, got 2'],
  ])('refuses what it cannot measure (%#)', async (batches, options, message) => {
    await expect(momentsOf(batches as Batch[], options)).rejects.toThrow(message);
  });
});

test('standard is N(0, I) at every level of a schedule, and noise of σ at EDM’s', () => {
  const z = new Random(1).normals(50);
  const schedule = linearSchedule();
  for (const t of [0, 500, 999]) expect(standard(z, levelAt(schedule, t))).toEqual(z);
  standard(z, edmAt(80)).forEach((x, i) => expect(x).toBeCloseTo(80 * z[i], 1));
});

test('images show at the end of a linear schedule of 200 timesteps, not of 1000', () => {
  const shows = (timesteps: number) => showsImages(levelAt(linearSchedule({ timesteps }), timesteps - 1), 784);
  expect([shows(200), shows(1000), showsImages(edmAt(80), 784)]).toEqual([true, false, false]);
});
