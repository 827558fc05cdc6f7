import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { TensorSpec } from '../../test/compare';
import { compared, computeOn, draws, expectSame, greatestDifference } from '../../test/compare';

const swap = (shape: number[], transposed: boolean) =>
  transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;

test('matMul agrees with cpu for batches and transpositions', async () => {
  const random = draws(1);
  for (let round = 0; round < 40; round++) {
    const [rows, inner, columns] = [random.integer(1, 9), random.integer(1, 60), random.integer(1, 9)];
    const batch = random.one([[], [3], [2, 3]]);
    const [a, b] = [random.uniform() < 0.5, random.uniform() < 0.5];
    const batchOfB = random.one([batch, batch.map(() => 1)]);
    const inputs = [
      random.tensor(swap([...batch, rows, inner], a)),
      random.tensor(swap([...batchOfB, inner, columns], b)),
    ];
    await expectSame(JSON.stringify(inputs.map(({ shape }) => shape)), inputs, (x: tf.Tensor, y: tf.Tensor) =>
      tf.matMul(x, y, a, b),
    );
  }
});

test('matMul broadcasts one batch axis of each side as tiling does', async () => {
  const random = draws(2);
  const inputs = [random.tensor([3, 1, 4, 5]), random.tensor([3, 2, 5, 6])];
  const [broadcast] = await computeOn(compared, inputs, (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b));
  const [tiled] = await computeOn('cpu', inputs, (a: tf.Tensor, b: tf.Tensor) =>
    tf.tidy(() => tf.matMul(tf.tile(a, [1, 2, 1, 1]), b)),
  );
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
      const inputs = [
        random.tensor(swap([5, 60], transposeA)),
        random.tensor(swap([60, 4], transposeB)),
        random.tensor([4]),
      ];
      await expectSame(
        `${activation} ${transposeA} ${transposeB}`,
        inputs,
        (a: tf.Tensor2D, b: tf.Tensor2D, bias: tf.Tensor) =>
          tf.fused.matMul({ a, b, transposeA: transposeA, transposeB: transposeB, bias, activation }),
      );
    }
  }
});

describe('einsum', () => {
  const cases: [string, ...number[][]][] = [
    ['ij,jk->ik', [3, 7], [7, 4]],
    ['bhid,bhjd->bhij', [2, 3, 4, 5], [2, 3, 6, 5]],
    ['bhij,bhjd->bihd', [2, 3, 4, 6], [2, 3, 6, 5]],
    ['i,j->ji', [3], [4]],
    ['bi,bi->b', [3, 4], [3, 4]],
    ['ijk->ki', [2, 3, 4]],
    ['ij->ij', [2, 3]],
    // What cpu's own kernel refuses or gets wrong.
    ['ijk,lk->il', [2, 3, 4], [5, 4]],
    ['ij,k->i', [2, 3], [4]],
  ];
  /** The sum written out: over every value that the letters take. */
  function writtenOut(equation: string, inputs: readonly TensorSpec[]) {
    const [left, right] = equation.split('->');
    const terms = left.split(',');
    const sizes = new Map(
      terms.flatMap((term, i) => Array.from(term, (letter, axis) => [letter, inputs[i].shape[axis]] as const)),
    );
    const letters = Array.from(sizes.keys());
    const size = (term: string) => Array.from(term).reduce((product, letter) => product * sizes.get(letter)!, 1);
    const place = (term: string, at: ReadonlyMap<string, number>) =>
      Array.from(term).reduce((index, letter) => index * sizes.get(letter)! + at.get(letter)!, 0);
    const result = new Array<number>(size(right)).fill(0);
    for (let n = 0; n < size(letters.join('')); n++) {
      let rest = n;
      const at = new Map<string, number>();
      for (const letter of letters) {
        at.set(letter, rest % sizes.get(letter)!);
        rest = Math.floor(rest / sizes.get(letter)!);
      }
      result[place(right, at)] += terms.reduce((product, term, i) => product * inputs[i].values[place(term, at)], 1);
    }
    return result;
  }
  test.each(cases)('%s, and its gradients', async (equation, ...shapes) => {
    const random = draws(4);
    const inputs = shapes.map((shape) => random.tensor(shape));
    const compute = (...tensors: tf.Tensor[]) => tf.einsum(equation, ...tensors);
    const gradients = (...tensors: tf.Tensor[]) =>
      tf.tidy(() => tf.grads((...xs) => tf.sum(tf.square(compute(...xs))))(tensors));
    const expected = writtenOut(equation, inputs);
    for (const backend of ['cpu', compared] as const) {
      const [actual] = await computeOn(backend, inputs, compute);
      expect(greatestDifference(expected, actual.values)).toBeLessThan(1e-5);
    }
    await expectSame(equation, inputs, gradients);
    // The sum is linear in each: for the sum of its squares, Σ x·dx is twice that.
    const [gradient] = await computeOn('cpu', inputs, gradients);
    const product = gradient.values.reduce((total, value, i) => total + value * inputs[0].values[i], 0);
    expect(product / expected.reduce((total, value) => total + 2 * value * value, 0)).toBeCloseTo(1, 4);
  });
});

test('a dense layer over pixels has the same gradients on wasm as on cpu', async () => {
  const random = draws(5);
  const inputs = [random.tensor([2, 6, 3]), random.tensor([3, 4])];
  await expectSame('rank 3 by rank 2', inputs, (x: tf.Tensor, w: tf.Tensor) =>
    tf.tidy(() => tf.grads((a, b) => tf.sum(tf.square(tf.matMul(a, b))))([x, w])),
  );
});
