import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { ElementLoss } from '../index';
import { huber, l1, l2, pseudoHuber } from '../index';

const numbers = (x: tf.Tensor) => [...x.dataSync()];

test.each<[string, ElementLoss, number[]]>([
  ['l1', l1, [0.5, 1, 2, 3]],
  ['l2', l2, [0.25, 1, 4, 9]],
  ['huber', huber, [0.125, 0.5, 1.5, 2.5]],
  [
    'pseudo-huber',
    pseudoHuber({ c: 0.75 }),
    [0.5 ** 2 / (Math.sqrt(0.8125) + 0.75), 0.5, Math.sqrt(4.5625) - 0.75, Math.sqrt(9.5625) - 0.75],
  ],
])('%s of each element', (_, loss, expected) => {
  numbers(loss(tf.tensor1d([0.5, -1, 2, -3]))).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 6));
});

test('the derivative of huber is the error, clipped to ±1', () => {
  expect(numbers(tf.grad((error) => huber(error))(tf.tensor1d([0.5, -1, 2, -3])))).toEqual([0.5, -1, 1, -1]);
});

test('pseudo-huber is e²/(2c) near 0, to the last digits, and |e| − c far away, with the derivative e/√(e² + c²)', () => {
  const [c, errors] = [0.5, [0, 1e-4, -1e-6, 0.5, -300]];
  const loss = pseudoHuber({ c });
  const [zero, small, smaller, , large] = numbers(loss(tf.tensor1d(errors)));
  expect([zero, small / 1e-8, smaller / 1e-12, large]).toEqual([
    0,
    expect.closeTo(1, 5),
    expect.closeTo(1, 5),
    expect.closeTo(299.5, 2),
  ]);
  numbers(tf.grad((error) => loss(error))(tf.tensor1d(errors))).forEach((slope, i) =>
    expect(slope).toBeCloseTo(errors[i] / Math.sqrt(errors[i] ** 2 + c ** 2), 6),
  );
  expect(() => pseudoHuber({ c: 0 })).toThrow('pseudoHuber: c must be a number above 0, got 0');
});
