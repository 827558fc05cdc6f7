import { Random } from '@ddpm/random';
import type { Batch, Task } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { withTextDropout } from './text-dropout';

const task: Task = {
  parameters: new Map(),
  draw: (examples, rng) => ({ ...examples, noise: { data: rng.normals(2), item: [] } }),
  loss: () => ({ loss: tf.tensor1d([0]) }),
};
const empty = { text: { data: Float32Array.of(8, 9), item: [1, 2] }, present: { data: Float32Array.of(1), item: [1] } };

test('leaves captions out now and then, whole; what else is drawn is as without', () => {
  const n = 500;
  const batch: Batch = {
    text: { data: new Float32Array(2 * n).fill(3), item: [1, 2] },
    present: { data: new Float32Array(n).fill(0.5), item: [1] },
  };
  const drawn = withTextDropout(task, empty, { probability: 0.3 }).draw(batch, new Random(1));
  expect(drawn.noise).toEqual(task.draw(batch, new Random(1)).noise);
  const lost = Array.from({ length: n }, (_, i) => drawn.present.data[i] === 1);
  // 0.3 within three standard errors.
  expect(Math.abs(lost.filter(Boolean).length / n - 0.3)).toBeLessThan(3 * Math.sqrt(0.21 / n));
  lost.forEach((one, i) => expect([...drawn.text.data.subarray(2 * i, 2 * i + 2)]).toEqual(one ? [8, 9] : [3, 3]));
  expect(batch.text.data[0]).toBe(3);
  expect(() => withTextDropout(task, empty).draw({ text: batch.text }, new Random(1))).toThrow(
    'withTextDropout: expected present [1] of each example, got none',
  );
  expect(() => withTextDropout(task, empty, { probability: 2 })).toThrow('probability must be from 0 to 1, got 2');
});
