import { Random } from '@ddpm/random';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise } from '../index';
import { clean, clipped, thresholded } from '../index';

const x = tf.zeros<tf.Rank.R4>([1, 1, 1, 1]);
const giving =
  (values: tf.Tensor4D): Denoise =>
  () =>
    Promise.resolve({ x0: tf.clone(values) });

test('divides what is within the quantile of |x̂_0| by it, image by image, and never stretches', async () => {
  const values = tf.tensor4d([0, -1, 2, 3, -4, 0.1, 0.2, -0.3, 0.4, -0.5], [2, 5, 1, 1]);
  const before = tf.memory().numTensors;
  // The 0.625-quantile of 0, 1, 2, 3, 4 lies half-way between the third and the fourth; that of the second image is
  // below 1.
  const { x0 } = await thresholded(giving(values), { quantile: 0.625 })(x, clean);
  expect(tf.memory().numTensors).toBe(before + 1);
  [0, -0.4, 0.8, 1, -1, 0.1, 0.2, -0.3, 0.4, -0.5].forEach((value, i) =>
    expect(x0.dataSync()[i]).toBeCloseTo(value, 6),
  );
});

test('with max is bounded, and with max 1 is clipping, as diffusers’ default is', async () => {
  const values = tf.tensor4d(
    new Random(1).normals(60).map((z) => 3 * z),
    [3, 5, 4, 1],
  );
  const of = async (denoise: Denoise) => (await denoise(x, clean)).x0.dataSync();
  expect(await of(thresholded(giving(values), { max: 1 }))).toEqual(await of(clipped(giving(values))));
  const [free, bounded] = [await of(thresholded(giving(values))), await of(thresholded(giving(values), { max: 2 }))];
  expect(Math.max(...free.map(Math.abs))).toBe(1);
  values.dataSync().forEach((value, i) => expect(bounded[i]).toBeCloseTo(Math.max(-1, Math.min(1, value / 2)), 6));
});

test('refuses what cannot be', () => {
  expect(() => thresholded(giving(x), { quantile: 99.5 })).toThrow(
    'thresholded: quantile must be from 0 to 1, got 99.5',
  );
  expect(() => thresholded(giving(x), { max: 0.5 })).toThrow('thresholded: max must be at least 1, got 0.5');
});
