import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { TensorSpec } from '../../test/compare';
import { compared, computeOn, draws, expectSame, onTensorFlow } from '../../test/compare';

/** The same shape as float32, int32 and bool. */
function everyType({ integer, tensor }: ReturnType<typeof draws>, shape: number[]): TensorSpec[] {
  const length = tf.util.sizeFromShape(shape);
  return [
    tensor(shape),
    { shape, dtype: 'int32', values: Int32Array.from({ length }, () => integer(-300, 300)) },
    { shape, dtype: 'bool', values: Uint8Array.from({ length }, () => integer(0, 1)) },
  ];
}

test('slice, split, tile and reverse agree with cpu', async () => {
  const random = draws(1);
  for (let round = 0; round < 25; round++) {
    const shape = Array.from({ length: random.integer(1, 5) }, () => random.integer(1, 4));
    const begin = shape.map((length) => random.integer(0, length - 1));
    const size = shape.map((length, axis) => random.integer(1, length - begin[axis]));
    const reps = shape.map(() => random.integer(1, 3));
    const axis = random.integer(0, shape.length - 1);
    const cut = random.integer(0, shape[axis]);
    for (const input of everyType(random, shape)) {
      const label = JSON.stringify({ shape, begin, size, reps, axis, cut, type: input.dtype });
      await expectSame(label, [input], (x: tf.Tensor) => tf.slice(x, begin, size));
      await expectSame(label, [input], (x: tf.Tensor) => tf.split(x, [cut, shape[axis] - cut], axis));
      if (input.dtype !== 'int32') await expectSame(label, [input], (x: tf.Tensor) => tf.tile(x, reps));
    }
    await expectSame(`reverse ${shape} ${axis}`, [random.tensor([...shape.slice(0, 3), 20])], (x: tf.Tensor) =>
      tf.reverse(x, Math.min(axis, 2)),
    );
  }
  await expectSame('whole', [random.tensor([2, 3])], (x: tf.Tensor) => tf.slice(x, 0, -1));
  await expectSame('empty', [random.tensor([2, 3])], (x: tf.Tensor) => tf.slice(x, [0, 1], [2, 0]));
});

test('cast to bool is whether the number is not 0', async () => {
  const numbers: TensorSpec = { shape: [5], values: Float32Array.of(0, 0.5, -1, 256, 1e-9) };
  const [result] = await computeOn(compared, [numbers], (x: tf.Tensor) => tf.cast(x, 'bool'));
  expect(result).toEqual({ shape: [5], dtype: 'bool', values: [0, 1, 1, 1, 1] });
});

test('unsortedSegmentSum agrees with cpu, and the gradient of gather with it', async () => {
  const random = draws(2);
  for (let round = 0; round < 15; round++) {
    const rows = random.integer(1, 6);
    const x = random.tensor([rows, ...random.one([[], [3], [2, 2]])]);
    const ids: TensorSpec = {
      shape: [rows],
      dtype: 'int32',
      values: Int32Array.from({ length: rows }, () => random.integer(-1, onTensorFlow ? 3 : 4)),
    };
    await expectSame(JSON.stringify(x.shape), [x, ids], (values: tf.Tensor, segments: tf.Tensor1D) =>
      tf.unsortedSegmentSum(values, segments, 4),
    );
  }
  const indices: TensorSpec = { shape: [4], dtype: 'int32', values: Int32Array.of(2, 0, 2, 1) };
  await expectSame('gather', [random.tensor([3, 5]), indices], (table: tf.Tensor2D, rows: tf.Tensor1D) =>
    tf.tidy(() => tf.grad((values) => tf.sum(tf.square(tf.gather(values, rows))))(table)),
  );
});

test('pooling and the gradient of max pooling agree with cpu', async () => {
  const random = draws(3);
  for (let round = 0; round < 30; round++) {
    const [size, stride] = [random.integer(1, 3), random.integer(1, 3)];
    const pad = random.one(['same', 'valid', random.integer(0, size - 1)] as const);
    const x = random.tensor([2, random.integer(3, 7), random.integer(3, 7), random.integer(1, 3)]);
    const label = JSON.stringify({ shape: x.shape, size, stride, pad });
    await expectSame(label, [x], (input: tf.Tensor4D) =>
      tf.tidy(() => tf.grad((value) => tf.sum(tf.square(tf.maxPool(value as tf.Tensor4D, size, stride, pad))))(input)),
    );
    await expectSame(label, [x], (input: tf.Tensor4D) => tf.avgPool(input, size, stride, pad));
  }
});

test('nothing is lost where types are mixed', async () => {
  const whole: TensorSpec = { shape: [2], dtype: 'int32', values: Int32Array.of(1, -2) };
  const half: TensorSpec = { shape: [2], values: Float32Array.of(0.5, -1.5) };
  const truth: TensorSpec = { shape: [2], dtype: 'bool', values: Uint8Array.of(1, 0) };
  for (const backend of ['cpu', compared] as const) {
    const [intFirst, boolFirst, ints, chosen, other, scaled] = await computeOn(
      backend,
      [whole, half, truth],
      (i: tf.Tensor1D, f: tf.Tensor1D, b: tf.Tensor1D) => [
        tf.concat([i, f]),
        tf.concat([b, f]),
        tf.concat([b, i]),
        tf.where(b, i, f),
        tf.where(b, f, i),
        tf.prelu(f, i),
      ],
    );
    expect(intFirst).toMatchObject({ dtype: 'float32', values: [1, -2, 0.5, -1.5] });
    expect(boolFirst).toMatchObject({ dtype: 'float32', values: [1, 0, 0.5, -1.5] });
    expect(ints).toMatchObject({ dtype: 'int32', values: [1, 0, 1, -2] });
    expect(chosen).toMatchObject({ dtype: 'float32', values: [1, -1.5] });
    expect(other).toMatchObject({ dtype: 'float32', values: [0.5, -2] });
    expect(scaled).toMatchObject({ dtype: 'float32', values: [0.5, 3] });
  }
});

test('an index that is outside is an error that names it', async () => {
  const table = draws(6).tensor([3, 2]);
  const outside = (...values: number[]): TensorSpec => ({
    shape: [1, 2],
    dtype: 'int32',
    values: Int32Array.from(values),
  });
  const gather = (x: tf.Tensor, at: tf.Tensor) => tf.gatherND(x, at);
  const scatter = (x: tf.Tensor, at: tf.Tensor) =>
    tf.tidy(() => tf.scatterND(at as tf.Tensor2D, tf.slice(tf.reshape(x, [6]), 0, 1), [3, 2]));
  for (const backend of ['cpu', compared] as const) {
    await expect(computeOn(backend, [table, outside(0, 5)], gather)).rejects.toThrow(
      'gatherND: the index 5 is not in [0, 1], axis 1 of [3, 2]',
    );
    await expect(computeOn(backend, [table, outside(-1, 1)], gather)).rejects.toThrow(
      'gatherND: the index -1 is not in [0, 2], axis 0',
    );
    await expect(computeOn(backend, [table, outside(0, -1)], scatter)).rejects.toThrow(
      'scatterND: the index -1 is not in [0, 1], axis 1',
    );
  }
});

test('average pooling and resizing have the same gradients on wasm as on cpu', async () => {
  const image = draws(7).tensor([2, 5, 4, 3]);
  await expectSame('average pooling', [image], (input: tf.Tensor4D) =>
    tf.tidy(() => tf.grad((x) => tf.sum(tf.square(tf.avgPool(x as tf.Tensor4D, 3, 2, 'same'))))(input)),
  );
  for (const half of [false, true]) {
    for (const resize of [tf.image.resizeBilinear, tf.image.resizeNearestNeighbor]) {
      await expectSame(`resizing ${half}`, [image], (input: tf.Tensor4D) =>
        tf.tidy(() => tf.grad((x) => tf.sum(tf.square(resize(x as tf.Tensor4D, [7, 3], false, half))))(input)),
      );
    }
  }
});
