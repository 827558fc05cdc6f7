import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { LevelSource, Network } from './index';
import { denoising, uniform, withLabelDropout } from './index';

const levels = uniform(linearSchedule({ timesteps: 5 }));
const network: Network = { conditions: ['label'], apply: (x) => tf.clone(x) };
const task = denoising({ network, parameters: new Map(), levels });
const n = 2000;
const label = { data: Int32Array.from({ length: n }, (_, i) => i % 10), item: [] };
const examples = { image: { data: new Float32Array(n), item: [1, 1, 1] }, label };

test('leaves out labels as often as it says, and changes nothing else that is drawn', () => {
  const plain = task.draw(examples, new Random(1));
  const dropped = withLabelDropout(task, { none: 10, probability: 0.25 }).draw(examples, new Random(1));
  const without = [...dropped.label.data].filter((value) => value === 10).length;
  // The deviation of the count is 19.
  expect(Math.abs(without - n / 4)).toBeLessThan(77);
  dropped.label.data.forEach((value, i) => expect([label.data[i], 10]).toContain(value));
  expect({ ...dropped, label }).toEqual({ ...plain, label });
  // The examples stay as they were.
  expect(label.data.includes(10)).toBe(false);
  const always = (probability: number) =>
    withLabelDropout(task, { none: 10, probability }).draw(examples, new Random(1)).label.data;
  expect(always(0)).toEqual(label.data);
  expect(new Set(always(1))).toEqual(new Set([10]));
});

test('keeps all else of the task', () => {
  const learning: LevelSource = {
    ...levels,
    observe: () => undefined,
    state: () => new Map(),
    restore: () => undefined,
  };
  const inner = denoising({ network, parameters: new Map(), levels: learning });
  const dropping = withLabelDropout(inner, { none: 10 });
  expect(Object.keys(dropping).sort()).toEqual(['draw', 'loss', 'observe', 'parameters', 'restore', 'state']);
  expect({ ...dropping, draw: 0 }).toEqual({ ...inner, draw: 0 });
});

test('refuses a task without labels, and what is no probability or label', () => {
  const unlabelled = denoising({ network: { apply: (x) => x }, parameters: new Map(), levels });
  expect(() => withLabelDropout(unlabelled, { none: 10 }).draw(examples, new Random(1))).toThrow(
    "withLabelDropout: the task's inputs have no 'label', only image, noise, signal, sigma, time, weight",
  );
  expect(() => withLabelDropout(task, { none: 10, probability: 10 })).toThrow(
    'withLabelDropout: probability must be from 0 to 1, got 10',
  );
  expect(() => withLabelDropout(task, { none: -1 })).toThrow(
    'withLabelDropout: none must be a label, a whole number, got -1',
  );
});
