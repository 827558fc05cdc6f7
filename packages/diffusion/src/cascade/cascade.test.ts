import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { denoising } from '../denoising';
import { uniform } from '../levels/uniform';
import { superResolution } from './super-resolution';
import { augmented, withLowRes } from './with-low-res';

const schedule = linearSchedule({ timesteps: 10 });

test('the network within sees x, the small picture and its level as channels, and its own conditions', () => {
  const before = tf.memory().numTensors;
  const seen: { x: number[][]; names: string[] }[] = [];
  const network = superResolution({
    conditions: ['label'],
    trainingInputs: (image) => ({ mask: { item: [image[2]], draw: (rng, n) => rng.normals(n) } }),
    apply(x, _, condition = {}) {
      seen.push({ x: tf.reshape<tf.Rank.R2>(x, [2, 5]).arraySync(), names: Object.keys(condition) });
      return tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, 2]);
    },
  });
  const x = tf.tensor4d([1, 2, 3, 4], [2, 1, 1, 2]);
  const lowRes = tf.tensor4d([5, 6, 7, 8], [2, 1, 1, 2]);
  const [augmentation, label] = [tf.tensor1d([0.25, 0.5]), tf.tensor1d([0, 1], 'int32')];
  const out = network.apply(x, augmentation, { lowRes, augmentation, label });
  expect(seen).toEqual([
    {
      x: [
        [1, 2, 5, 6, 0.25],
        [3, 4, 7, 8, 0.5],
      ],
      names: ['label'],
    },
  ]);
  expect(network.conditions).toEqual(['lowRes', 'augmentation', 'label']);
  expect(network.trainingInputs!([1, 1, 2]).mask.item).toEqual([5]);
  tf.dispose([x, lowRes, augmentation, label, out]);
  expect(tf.memory().numTensors).toBe(before);
});

test('examples get small pictures with noise of a level that they are told; all else is as without', () => {
  const network = superResolution({ apply: (x) => tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, 1]) });
  const task = denoising({ network, parameters: new Map(), levels: uniform(schedule) });
  const n = 400;
  const image = { data: new Float32Array(n * 4).fill(0.5), item: [2, 2, 1] };
  const plain = task.draw(
    { image, lowRes: image, augmentation: { data: new Float32Array(n), item: [] } },
    new Random(1),
  );
  const lowRes = (one: Float32Array) => one.map((value) => 2 * value);
  const drawn = withLowRes(task, { lowRes, maxAugmentation: 0.8 }).draw({ image }, new Random(1));
  for (const name of ['image', 'noise', 'time']) expect(drawn[name]).toEqual(plain[name]);
  const levels = [...drawn.augmentation.data];
  expect(Math.min(...levels)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...levels)).toBeLessThan(0.8);
  // Uniform: the mean 0.4 to within three standard errors.
  expect(Math.abs(levels.reduce((a, b) => a + b) / n - 0.4)).toBeLessThan((3 * 0.8) / Math.sqrt(12 * n));
  // (z − √(1 − s²) y) / s is ε ~ N(0, 1).
  const noise = levels.flatMap((s, i) =>
    [...drawn.lowRes.data.subarray(4 * i, 4 * i + 4)].map((z) => (z - Math.sqrt(1 - s * s)) / s),
  );
  const variance = noise.reduce((sum, value) => sum + value * value, 0) / noise.length;
  expect(Math.abs(variance - 1)).toBeLessThan(3 * Math.sqrt(2 / noise.length));

  const without = withLowRes(task, { lowRes, maxAugmentation: 0 }).draw({ image }, new Random(1));
  expect([...without.lowRes.data]).toEqual(Array<number>(4 * n).fill(1));
  expect(() => withLowRes(task, { lowRes, maxAugmentation: 1 })).toThrow(
    'withLowRes: maxAugmentation must be from 0 to below 1, got 1',
  );
  expect([...augmented(Float32Array.of(1, 2), 0, new Random(0))]).toEqual([1, 2]);
});
