import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import {
  denoiser,
  denoising,
  image as saysImage,
  inpainting,
  kept,
  levelAt,
  randomMask,
  uniform,
  withMasks,
} from '../index';

const schedule = linearSchedule({ timesteps: 10 });

test('the network within sees x, the known part and the mask as channels, and its own conditions', () => {
  const before = tf.memory().numTensors;
  const seen: { x: number[][]; names: string[] }[] = [];
  const network = inpainting({
    conditions: ['label'],
    trainingInputs: (image) => ({ dropout: { item: [image[2]], draw: (rng, n) => rng.normals(n) } }),
    apply(x, _, condition = {}) {
      seen.push({ x: tf.reshape<tf.Rank.R2>(x, [2, 5]).arraySync(), names: Object.keys(condition) });
      return tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, 2]);
    },
  });
  const [x, known] = [tf.tensor4d([1, 2, 3, 4], [2, 1, 1, 2]), tf.tensor4d([5, 6, 0, 0], [2, 1, 1, 2])];
  const [mask, label] = [tf.tensor4d([0, 1], [2, 1, 1, 1]), tf.tensor1d([0, 1], 'int32')];
  const out = network.apply(x, tf.tensor1d([1, 1]), { known, mask, label });
  expect(seen).toEqual([
    {
      x: [
        [1, 2, 5, 6, 0],
        [3, 4, 0, 0, 1],
      ],
      names: ['label'],
    },
  ]);
  expect(network.conditions).toEqual(['known', 'mask', 'label']);
  expect(network.trainingInputs!([1, 1, 2]).dropout.item).toEqual([5]);
  tf.dispose([x, known, mask, label, out]);
  expect(tf.memory().numTensors).toBe(before + 1);
});

test('masks follow from the seed: rectangles, all but them, or everything; about half of each picture', () => {
  const masks = Array.from({ length: 300 }, (_, i) => randomMask(8, 6, new Random(i)));
  expect(randomMask(8, 6, new Random(3))).toEqual(masks[3]);
  for (const mask of masks) expect([...mask].every((value) => value === 0 || value === 1)).toBe(true);
  const shares = masks.map((mask) => mask.reduce((a, b) => a + b) / mask.length);
  // One in ten, within three standard errors; a rectangle may be as large.
  expect(shares.filter((share) => share === 1).length).toBeGreaterThan(30 - 16);
  expect(shares.filter((share) => share === 1).length).toBeLessThan(30 + 20);
  const mean = shares.reduce((a, b) => a + b) / shares.length;
  // By symmetry 1/2 where not everything is to be drawn.
  expect(Math.abs(mean - 0.55)).toBeLessThan(0.06);
});

test('examples get masks, and the image with zeros there; all else is as without', () => {
  const network = inpainting({ apply: (x) => tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, 2]) });
  const task = denoising({ network, parameters: new Map(), levels: uniform(schedule) });
  const n = 12;
  const image = { data: new Float32Array(n * 32).map((_, i) => 1 + i), item: [4, 4, 2] };
  const none = { known: image, mask: { data: new Float32Array(n * 16), item: [4, 4, 1] } };
  const plain = task.draw({ image, ...none }, new Random(1));
  const drawn = withMasks(task).draw({ image }, new Random(1));
  for (const name of ['image', 'noise', 'time']) expect(drawn[name]).toEqual(plain[name]);
  expect(drawn.mask.item).toEqual([4, 4, 1]);
  drawn.known.data.forEach((value, i) => expect(value).toBe(drawn.mask.data[i >> 1] === 1 ? 0 : 1 + i));
  expect(withMasks(task).draw({ image }, new Random(1))).toEqual(drawn);
  expect(withMasks(task).draw({ image }, new Random(2)).mask).not.toEqual(drawn.mask);
});

test('what is known is kept, and the rest is the network’s', async () => {
  const before = tf.memory().numTensors;
  const [image, mask] = [tf.tensor4d([5, 6, 7, 8], [1, 2, 1, 2]), tf.tensor4d([0, 1], [1, 2, 1, 1])];
  const x = tf.tensor4d([1, 2, 3, 4, 9, 9, 9, 9], [2, 2, 1, 2]);
  const denoise = kept(denoiser({ apply: (given) => tf.clone(given) }, { parameterisation: saysImage }), {
    image,
    mask,
  });
  const { x0 } = await denoise(x, levelAt(schedule, 4));
  expect([...x0.dataSync()]).toEqual([5, 6, 3, 4, 5, 6, 9, 9]);
  tf.dispose([image, mask, x, x0]);
  expect(tf.memory().numTensors).toBe(before);
});
