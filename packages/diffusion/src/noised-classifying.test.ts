import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { tensors } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Classifier } from './index';
import { levelAt, noisedClassifying, uniform } from './index';

const schedule = linearSchedule({ timesteps: 8 });
const image = { data: new Random(1).normals(12), item: [2, 1, 1] };
const label = { data: Int32Array.of(0, 1, 1, 0, 1, 0), item: [] };

test('is the cross-entropy of the label for the noisy image, told its level, and whether no other class is likelier', () => {
  const seen: number[][] = [];
  const network: Classifier = {
    apply(x, told) {
      seen.push([...x.dataSync()], [...told.dataSync()]);
      return tf.reshape(x, [-1, 2]);
    },
  };
  const task = noisedClassifying({ network, parameters: new Map(), levels: uniform(schedule) });
  const inputs = task.draw({ image, label, caption: label }, new Random(3));
  expect(Object.keys(inputs)).toEqual(['image', 'label', 'noise', 'signal', 'sigma', 'time', 'weight']);
  const { loss, accuracy } = task.loss(tensors(inputs));
  const [x, told] = seen;
  expect(told).toEqual([...inputs.time.data]);
  x.forEach((value, i) => {
    const { signal, sigma } = levelAt(schedule, told[Math.floor(i / 2)]);
    expect(value).toBeCloseTo(signal * image.data[i] + sigma * inputs.noise.data[i], 5);
  });
  const [losses, right] = [loss.dataSync(), accuracy.dataSync()];
  for (let i = 0; i < 6; i++) {
    const [own, other] = [x[2 * i + label.data[i]], x[2 * i + 1 - label.data[i]]];
    expect(losses[i]).toBeCloseTo(Math.log(1 + Math.exp(other - own)), 5);
    expect(right[i]).toBe(own > other ? 1 : 0);
  }
  expect(new Set(right).size).toBe(2);
});

test('counts what a source says of a level, and names what the examples lack', () => {
  const network: Classifier = { apply: (x) => tf.reshape(x, [-1, 2]) };
  const levels = {
    draw: (n: number) => Array.from({ length: n }, (_, i) => ({ level: levelAt(schedule, i), weight: i })),
  };
  const task = noisedClassifying({ network, parameters: new Map(), levels });
  const inputs = task.draw({ image, label }, new Random(3));
  const [plain, weighed] = [{ ...inputs, weight: { data: new Float32Array(6).fill(1), item: [] } }, inputs].map(
    (given) => task.loss(tensors(given)).loss.dataSync(),
  );
  weighed.forEach((value, i) => expect(value).toBeCloseTo(i * plain[i], 5));
  expect(() => task.draw({ image }, new Random(1))).toThrow(
    "noisedClassifying: needs 'label' of each example, which has only image",
  );
});
