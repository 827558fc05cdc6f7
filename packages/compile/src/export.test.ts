import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { exportOnnx } from './export';
import { values } from './lower/compare';
import { openSession, ortTensor } from './session';

const f = values([3, 3, 2, 5], 1, { scale: 0.5 });
const w = values([5, 6], 2);
const network = (x: tf.Tensor) =>
  tf.tidy(() => {
    const h = tf.relu(tf.add(tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, 2, 'same'), 0.1));
    const flat = tf.reshape(h, [x.shape[0], -1, 5]);
    return tf.softmax(tf.matMul(tf.mean(flat, 1), w as tf.Tensor2D));
  });

/** The operator domains that a model names. */
const domains = (model: Uint8Array) =>
  Buffer.from(model)
    .toString('latin1')
    .match(/com\.microsoft[.\w]*/g);

describe('exportOnnx', () => {
  test('gives a model of standard operators that takes any batch', async () => {
    const model = exportOnnx(network, [tf.zeros([1, 7, 6, 2])], { inputNames: ['image'], outputNames: ['class'], dynamicBatch: true });
    expect(domains(model)).toBeNull();
    const session = await openSession(model, { threads: 1, optimization: 'all' });
    expect([session.inputNames, session.outputNames]).toEqual([['image'], ['class']]);
    for (const n of [1, 2, 5]) {
      const x = values([n, 7, 6, 2], n);
      const expected = network(x).dataSync();
      const result = await session.run({ image: ortTensor(x.dataSync(), x.shape, 'float32') });
      expect(result.class.dims).toEqual([n, 6]);
      expected.forEach((value, i) => expect(Math.abs(value - Number(result.class.data[i]))).toBeLessThan(1e-5));
    }
    await session.release();
  });

  test('keeps the sizes where the function depends on them, and names the results of a record', async () => {
    const fixed = (x: tf.Tensor) => ({ rows: tf.add(x, tf.range(0, x.shape[0]).expandDims(1)), total: tf.sum(x) });
    const model = exportOnnx(fixed, [tf.zeros([3, 2])]);
    const session = await openSession(model, { threads: 1, optimization: 'all' });
    const result = await session.run({ input0: ortTensor(new Float32Array(6).fill(1), [3, 2], 'float32') });
    expect([...(result.rows.data as Float32Array)]).toEqual([1, 1, 2, 2, 3, 3]);
    expect(result.total.data[0]).toBe(6);
    await session.release();
    expect(() => exportOnnx(fixed, [tf.zeros([3, 2])], { dynamicBatch: true })).toThrow('leave dynamicBatch out');
    expect(() => exportOnnx(fixed, [tf.zeros([3, 2])], { inputNames: ['a', 'b'] })).toThrow('expected 1 different input names');
  });
});
