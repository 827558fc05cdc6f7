import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { TensorSpec } from '../compare';
import { computeOn, draws, expectSame, greatestDifference } from '../compare';

const swap = (shape: number[], transposed: boolean) => (transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape);

test('matMul agrees with cpu for batches and transpositions', async () => {
  const random = draws(1);
  for (let round = 0; round < 40; round++) {
    const [rows, inner, columns] = [random.integer(1, 9), random.integer(1, 60), random.integer(1, 9)];
    const batch = random.one([[], [3], [2, 3]]);
    const [a, b] = [random.uniform() < 0.5, random.uniform() < 0.5];
    const batchOfB = random.one([batch, batch.map(() => 1)]);
    const inputs = [random.tensor(swap([...batch, rows, inner], a)), random.tensor(swap([...batchOfB, inner, columns], b))];
    await expectSame(JSON.stringify(inputs.map(({ shape }) => shape)), inputs, (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, a, b));
  }
});

test('matMul broadcasts one batch axis of each side as tiling does', async () => {
  const random = draws(2);
  const inputs = [random.tensor([3, 1, 4, 5]), random.tensor([3, 2, 5, 6])];
  const [broadcast] = await computeOn('wasm', inputs, (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b));
  const [tiled] = await computeOn('cpu', inputs, (a: tf.Tensor, b: tf.Tensor) => tf.tidy(() => tf.matMul(tf.tile(a, [1, 2, 1, 1]), b)));
  expect(broadcast.shape).toEqual([3, 2, 4, 6]);
  expect(greatestDifference(tiled.values, broadcast.values)).toBeLessThan(1e-6);
});

test('fused matMul agrees with cpu, whatever is transposed', async () => {
  const random = draws(3);
  for (const activation of ['linear', 'relu', 'relu6', 'elu', 'sigmoid'] as const) {
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const inputs = [random.tensor(swap([5, 60], transposeA)), random.tensor(swap([60, 4], transposeB)), random.tensor([4])];
      await expectSame(`${activation} ${transposeA} ${transposeB}`, inputs, (a: tf.Tensor2D, b: tf.Tensor2D, bias: tf.Tensor) =>
        tf.fused.matMul({ a, b, transposeA: transposeA, transposeB: transposeB, bias, activation }),
      );
    }
  }
});

test('einsum agrees with cpu', async () => {
  const random = draws(4);
  const cases: [string, ...number[][]][] = [
    ['ij,jk->ik', [3, 7], [7, 4]],
    ['bhid,bhjd->bhij', [2, 3, 4, 5], [2, 3, 6, 5]],
    ['bhij,bhjd->bihd', [2, 3, 4, 6], [2, 3, 6, 5]],
    ['i,j->ji', [3], [4]],
    ['bi,bi->b', [3, 4], [3, 4]],
    ['ijk->ki', [2, 3, 4]],
    ['ij->ji', [2, 3]],
  ];
  for (const [equation, ...shapes] of cases) {
    const inputs: TensorSpec[] = shapes.map((shape) => random.tensor(shape));
    await expectSame(equation, inputs, (...tensors: tf.Tensor[]) => tf.einsum(equation, ...tensors));
  }
});
