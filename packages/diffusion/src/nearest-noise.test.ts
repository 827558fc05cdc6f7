import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import type { Network } from './index';
import { denoising, uniform, withNearestNoise } from './index';

const network: Network = { apply: (x) => x };
const task = denoising({ network, parameters: new Map(), levels: uniform(linearSchedule({ timesteps: 5 })) });
const [n, item] = [6, [2, 2, 1]];
const size = 4;
const examples = { image: { data: new Random(7).normals(n * size), item } };

test('takes for each image the nearest of so many noises, and changes nothing else', () => {
  const among = 5;
  const chosen = withNearestNoise(task, { among }).draw(examples, new Random(1));
  const rng = new Random(1);
  const plain = task.draw(examples, rng);
  const noises = [plain.noise.data, ...Array.from({ length: among - 1 }, () => rng.normals(n * size))];
  const of = (values: ArrayLike<number>, i: number) => Array.from({ length: size }, (_, k) => values[i * size + k]);
  for (let i = 0; i < n; i++) {
    const distances = noises.map((noise) =>
      of(noise, i).reduce((sum, value, k) => sum + (value - examples.image.data[i * size + k]) ** 2, 0),
    );
    const nearest = distances.indexOf(Math.min(...distances));
    expect(of(chosen.noise.data, i)).toEqual(of(noises[nearest], i));
  }
  expect(chosen.noise.data).not.toEqual(plain.noise.data);
  expect({ ...chosen, noise: plain.noise }).toEqual(plain);
});

test('of one there is no choice', () => {
  expect(withNearestNoise(task, { among: 1 })).toBe(task);
});

test('refuses no noise to choose from, and a task without images', () => {
  expect(() => withNearestNoise(task, { among: 0 })).toThrow(
    'withNearestNoise: among must be a whole number of at least 1, got 0',
  );
  const other = { ...task, draw: () => ({ x: examples.image }) };
  expect(() => withNearestNoise(other, { among: 2 }).draw(examples, new Random(1))).toThrow(
    "withNearestNoise: the task's inputs have no 'image', only x",
  );
});
