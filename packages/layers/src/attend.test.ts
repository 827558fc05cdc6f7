import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { attend, attendByHeads } from './attend';

test('attention is the same one head after the other, and so are its gradients', () => {
  const part = (positions: number, seed: number) =>
    tf.randomNormal<tf.Rank.R4>([2, 3, positions, 4], 0, 1, 'float32', seed);
  const [q, k, v] = [part(5, 1), part(6, 2), part(6, 3)];
  const most = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0];
  expect(most(attend(q, k, v), attendByHeads(q, k, v))).toBeLessThan(1e-6);
  const weights = part(5, 4);
  const gradients = (of: typeof attendByHeads) =>
    tf.grads((...parts: tf.Tensor[]) =>
      tf.sum(tf.mul(of(...(parts as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D])), weights)),
    )([q, k, v]);
  const [all, byHeads] = [gradients(attend), gradients(attendByHeads)];
  all.forEach((gradient, i) => expect(most(gradient, byHeads[i])).toBeLessThan(1e-6));
});
