import { Random } from '@ddpm/random';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { assignLazily, disposeParameters, Linear, loadTorchTensors, parameterValues, toTorchTensors } from './index';
import { transposed } from './torch';

test('a variable is read when it is asked for, and computed with like any other', async () => {
  const before = tf.memory().numTensors;
  const variable = tf.variable(tf.zeros([2]));
  let reads = 0;
  assignLazily(variable, () => (reads++, Float32Array.of(1, 2)));
  expect(reads).toBe(0);
  expect(await variable.data()).toEqual(Float32Array.of(1, 2));
  const doubled = () => tf.tidy(() => tf.mul(variable, 2).dataSync());
  expect(doubled()).toEqual(Float32Array.of(2, 4));
  // Now the backend has it.
  expect(doubled()).toEqual(Float32Array.of(2, 4));
  expect(reads).toBe(2);
  tf.tidy(() => variable.assign(tf.ones([2])));
  expect(doubled()).toEqual(Float32Array.of(2, 2));
  assignLazily(variable, () => Float32Array.of(3, 4));
  tf.dispose(variable);
  expect(tf.memory().numTensors).toBe(before + 1);
});

test("a module's parameters may stay where they are stored, and be given others", async () => {
  const before = tf.memory();
  const linear = new Linear({ inFeatures: 2, outFeatures: 3, rng: new Random(0) });
  const stored = { weight: Float32Array.of(1, 2, 3, 4, 5, 6), bias: Float32Array.of(7, 8, 9) };
  const reads: string[] = [];
  const lazy = ([name, shape]: [keyof typeof stored, number[]]) =>
    [name, { shape, read: () => (reads.push(name), stored[name]) }] as const;
  const tensors = new Map([lazy(['weight', [3, 2]]), lazy(['bias', [3]])]);
  loadTorchTensors(linear, tensors);
  expect(reads).toEqual([]);
  expect((await toTorchTensors(linear)).get('weight')).toEqual({ shape: [3, 2], data: stored.weight });
  expect((await parameterValues(linear)).get('weight')!.data).toEqual(Float32Array.of(1, 3, 5, 2, 4, 6));
  const { value, grads } = tf.tidy(() => tf.variableGrads(() => tf.sum(linear.apply(tf.ones([1, 2])))));
  tf.dispose([value, Object.values(grads)]);
  tf.tidy(() => linear.weight.assign(tf.zeros([2, 3])));
  expect(tf.tidy(() => linear.apply(tf.ones([1, 2])).dataSync())).toEqual(stored.bias);
  expect(() =>
    loadTorchTensors(linear, new Map([...tensors, ['bias', { shape: [4], read: () => stored.bias }]])),
  ).toThrow('bias should have shape [3], not [4]');
  disposeParameters(linear);
  expect(tf.memory().numTensors).toBe(before.numTensors);
});

test.each([
  [
    [5, 7],
    [1, 0],
  ],
  [
    [40, 3, 2, 5],
    [2, 3, 1, 0],
  ],
  [
    [2, 3, 40, 37],
    [3, 2, 0, 1],
  ],
  [
    [3, 2, 4],
    [1, 0, 2],
  ],
  [
    [1, 6, 1],
    [2, 1, 0],
  ],
  [
    [4, 5],
    [0, 1],
  ],
])('axes of %j in the order %j lie where tf.transpose puts them', (shape, order) => {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i);
  expect(transposed(data, shape, order)).toEqual(tf.tidy(() => tf.transpose(tf.tensor(data, shape), order).dataSync()));
});
