import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import { moments, momentsSum } from './index';

describe('moments', () => {
  // Far from 0, where Σ x² − n μ² would cancel.
  const width = 3;
  const data = Float64Array.from(new Random(1).normals(30), (value) => 1e8 + value);
  const column = (j: number) => Array.from({ length: 10 }, (_, i) => data[i * width + j] - 1e8);

  test('are mean and covariance over n − 1', () => {
    const { count, mean, covariance } = moments({ data, width });
    expect(count).toBe(10);
    const means = [0, 1, 2].map((j) => column(j).reduce((sum, value) => sum + value, 0) / 10);
    means.forEach((value, j) => expect(mean[j] - 1e8).toBeCloseTo(value, 7));
    for (let j = 0; j < width; j++)
      for (let k = 0; k < width; k++) {
        const [a, b] = [column(j), column(k)];
        const expected = a.reduce((sum, value, i) => sum + (value - means[j]) * (b[i] - means[k]), 0) / 9;
        expect(covariance[j * width + k]).toBeCloseTo(expected, 6);
      }
  });

  test('of parts are those of the whole', () => {
    const sum = momentsSum(width);
    for (const [start, end] of [
      [0, 4],
      [4, 4],
      [4, 5],
      [5, 10],
    ])
      sum.add({ data: data.subarray(start * width, end * width), width });
    const [parts, whole] = [sum.moments(), moments({ data, width })];
    expect(parts.count).toBe(whole.count);
    parts.mean.forEach((value, j) => expect(value).toBeCloseTo(whole.mean[j], 6));
    parts.covariance.forEach((value, j) => expect(value).toBeCloseTo(whole.covariance[j], 6));
  });

  test('name what is wrong', () => {
    const of = (values: number[], w = 2) => moments({ data: Float64Array.from(values), width: w });
    expect(() => of([1, 2])).toThrow('moments: needs the features of at least 2 images, got those of 1');
    expect(() => of([1, 2, 3])).toThrow('moments: 3 numbers are not a whole number of rows of 2');
    expect(() => of([1, 2, 3, NaN])).toThrow('moments: features must be finite, but row 1 has NaN at 1');
    expect(() => of([1], 0)).toThrow('moments: the width of features must be a whole number of at least 1, got 0');
    expect(() => momentsSum(3).add({ data: new Float32Array(4), width: 2 })).toThrow(
      'moments: expected features of one width, got 3 and 2',
    );
  });
});
