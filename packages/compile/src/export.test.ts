import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { exportOnnx } from './export';
import { openOnnx } from './open-onnx';
import { values } from '../test/compare';
import { openSession } from './run/ort';
import { ortTensor } from './run/session';

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

const open = (model: Uint8Array) => openSession(model, { threads: 1, optimization: 'all' });

/** Functions whose graph holds sizes that depend on the batch. */
const ofAnyBatch: Record<string, (x: tf.Tensor4D) => tf.Tensor> = {
  'an axis that is repeated (Expand)': (x) => {
    const [n, h, w] = x.shape;
    const level = tf.tile(tf.reshape(tf.mean(x, [1, 2, 3]), [n, 1, 1, 1]), [1, h, w, 1]);
    return tf.concat([x, level], 3);
  },
  'a table that every image is given (Expand)': (x) =>
    tf.concat([x, tf.tile(values([1, 3, 4, 2], 3), [x.shape[0], 1, 1, 1])], 3),
  'a batch that is repeated (Tile)': (x) => tf.tile(x, [2, 1, 1, 1]),
  'zeros as many as images': (x) => tf.concat([x, tf.zeros([x.shape[0], 3, 4, 1])], 3),
  'one number for each image, counted up': (x) => tf.mul(x, tf.reshape(tf.range(0, x.shape[0]), [-1, 1, 1, 1])),
  'a batch in another order': (x) => tf.reverse(x, 0),
  'a batch without its first image': (x) => tf.slice(x, [1, 0, 0, 0]),
  'an image for each half of the batch and more': (x) => tf.pad(tf.concat([x, x], 0), [[1, 2], [0, 0], [0, 0], [0, 0]]), // prettier-ignore
  'two axes in one': (x) => tf.transpose(tf.reshape(x, [x.shape[0] * 3, 4, 2]), [1, 0, 2]),
  'every image with every other': (x) => {
    const rows = tf.reshape<tf.Rank.R2>(x, [-1, 24]);
    return tf.reshape(tf.matMul(rows, rows, false, true), [-1]);
  },
  'a mean over the batch': (x) => tf.div(tf.sum(x, 0), x.shape[0]),
  'what each image takes from its own row': (x) =>
    tf.gather(
      tf.reshape(x, [x.shape[0], 24]),
      tf.cast(tf.mul(tf.abs(tf.slice(x, 0, [-1, 1, 4, 1])), 11), 'int32'),
      1,
      1,
    ),
  'a choice for each image': (x) => tf.where(tf.greater(tf.mean(x, [1, 2, 3], true), 0), x, tf.zerosLike(x)),
};

describe('exportOnnx', () => {
  test('gives a model of standard operators that takes any batch', async () => {
    const model = exportOnnx(network, [tf.zeros([1, 7, 6, 2])], { inputNames: ['image'], outputNames: ['class'] });
    expect(domains(model)).toBeNull();
    const session = await open(model);
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

  test.each(Object.keys(ofAnyBatch))('takes any batch of %s', async (name) => {
    const session = await open(exportOnnx(ofAnyBatch[name], [tf.zeros([1, 3, 4, 2])]));
    for (const n of [1, 2, 7]) {
      const x = values([n, 3, 4, 2], n) as tf.Tensor4D;
      const expected = ofAnyBatch[name](x);
      const { output0 } = await session.run({ input0: ortTensor(x.dataSync(), x.shape, 'float32') });
      expect(output0.dims).toEqual(expected.shape);
      expected.dataSync().forEach((value, i) => expect(Math.abs(value - Number(output0.data[i]))).toBeLessThan(1e-5));
    }
    await session.release();
  });

  test('says which sizes depend on the batch, and how', async () => {
    const session = await open(
      exportOnnx((x: tf.Tensor4D) => ({ twice: tf.concat([x, x], 0), pair: tf.sum(x, [0, 1]), more: tf.pad(x, [[1, 0], [0, 0], [0, 0], [0, 0]]) }), [
        tf.zeros([1, 3, 4, 2]),
      ]), // prettier-ignore
    );
    const shapes = [...session.inputMetadata, ...session.outputMetadata].map((port) => port.isTensor && port.shape);
    expect(shapes).toEqual([
      ['batch', 3, 4, 2],
      ['2*batch', 3, 4, 2],
      [4, 2],
      ['batch+1', 3, 4, 2],
    ]);
    await session.release();
  });

  test.each<[string, (x: tf.Tensor, y: tf.Tensor) => tf.Tensor, tf.Tensor[], string]>([
    [
      'numbers drawn for one batch',
      (x) => tf.mul(x, Math.sqrt(x.shape[0])),
      [],
      'Mul takes numbers that depend on the batch, float32 []',
    ],
    [
      'one operator for each image',
      (x) => tf.addN(tf.unstack(x)),
      [],
      'the operators are not the same for every batch, from Split on',
    ],
    ['sizes of one batch alone', (x) => tf.reshape(x, [3, 2]), [], 'cannot reshape [257, 2] to [3, 2]'],
    ['a scalar', (x, y) => tf.mul(x, y), [tf.scalar(1)], 'not every input has a first axis'],
  ])('names what ties a model to one batch: %s', async (_, fn, more, message) => {
    const examples = [tf.zeros([3, 2]), ...more];
    const error = (() => {
      try {
        return exportOnnx(fn, examples);
      } catch (thrown) {
        return (thrown as Error).message;
      }
    })();
    expect(error).toContain(message);
    expect(error).toMatch(/^exportOnnx: the model cannot take batches of any size: .*; give dynamicBatch: false .*$/);

    const session = await open(exportOnnx(fn, examples, { dynamicBatch: false }));
    const inputs = [values([3, 2], 1), ...more];
    const feeds = inputs.map((input, i) => [`input${i}`, ortTensor(input.dataSync(), input.shape, 'float32')] as const);
    const { output0 } = await session.run(Object.fromEntries(feeds));
    const expected = fn(inputs[0], inputs[1]);
    expect(output0.dims).toEqual(expected.shape);
    expected.dataSync().forEach((value, i) => expect(Math.abs(value - Number(output0.data[i]))).toBeLessThan(1e-5));
    await session.release();
  });

  test('names the results of a record, and refuses names that do not fit', async () => {
    const both = (x: tf.Tensor) => ({ double: tf.mul(x, 2), total: tf.sum(x) });
    const session = await open(exportOnnx(both, [tf.zeros([1, 2])]));
    const result = await session.run({ input0: ortTensor(new Float32Array(6).fill(1), [3, 2], 'float32') });
    expect([...(result.double.data as Float32Array)]).toEqual([2, 2, 2, 2, 2, 2]);
    expect(result.total.data[0]).toBe(6);
    await session.release();
    expect(() => exportOnnx(both, [tf.zeros([3, 2])], { inputNames: ['a', 'b'] })).toThrow(
      'expected 1 different input names',
    );
    expect(() =>
      exportOnnx(
        (x: tf.Tensor) => tf.conv3d(x as tf.Tensor5D, tf.zeros([1, 1, 1, 1, 1]), 1, 'same'),
        [tf.zeros([1, 2, 2, 2, 1])],
      ),
    ).toThrow(/^compile: no lowering/);
  });
});

test('an ONNX file is opened with its inputs and outputs, and run', async () => {
  const bytes = exportOnnx((x: tf.Tensor2D) => ({ double: tf.mul(x, 2), sum: tf.sum(x, 1) }), [tf.zeros([1, 3])], {
    inputNames: ['x'],
  });
  const model = await openOnnx(bytes);
  expect(model.inputs).toMatchObject([{ name: 'x', type: 'float32' }]);
  expect([model.inputs[0].shape[1], model.outputs]).toEqual([3, ['double', 'sum']]);
  const x = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] };
  expect(await model.run({ x }, 'sum')).toEqual({ shape: [2], data: Float32Array.of(6, 15) });
  await expect(model.run({ x: { ...x, shape: [3, 2] } }, 'sum')).rejects.toThrow(/^[^\n]*x[^\n]*$/);
  await model.dispose();
  await expect(openOnnx(Uint8Array.of(1, 2, 3))).rejects.toThrow(/^[^\n]+$/);
});
