import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { compile } from '../compile';
import { expectSame } from '../../test/compare';

type Fn = (...inputs: tf.Tensor[]) => tf.Tensor;

const types = ['float32', 'int32', 'bool'] as const;
type Type = (typeof types)[number];
const first: Record<Type, number[]> = { float32: [1.5, -2.25, 0, 3.75], int32: [3, -2, 0, 7], bool: [1, 0, 1, 1] };
const second: Record<Type, number[]> = { float32: [2.5, 1.25, -1.5, 0.5], int32: [2, 3, -4, 1], bool: [1, 1, 1, 1] };
const tensor = (values: readonly number[], type: Type) => tf.tensor([...values], [2, 2], type);
const wider = (a: Type, b: Type) => types[Math.min(types.indexOf(a), types.indexOf(b))];
const pairs = types.flatMap((a) => types.map((b): [Type, Type] => [a, b]));

/** Runs it on both paths, and compares with values that are known. */
async function expectValues(fn: Fn, inputs: tf.Tensor[], dtype: Type, values: readonly number[]): Promise<void> {
  for (const path of ['fast', 'portable'] as const) {
    const compiled = await compile(fn, inputs, { path, threads: 1 });
    const result = await compiled(...inputs);
    expect({ path, dtype: result.dtype, values: [...result.dataSync()] }).toEqual({ path, dtype, values: [...values] });
    await compiled.dispose();
    result.dispose();
  }
}

describe('operands of several types', () => {
  const agreeing: Record<string, Fn> = {
    add: tf.add,
    sub: tf.sub,
    mul: tf.mul,
    div: tf.div,
    maximum: tf.maximum,
    minimum: tf.minimum,
    mod: tf.mod,
    floorDiv: tf.floorDiv,
    squaredDifference: tf.squaredDifference,
    greater: tf.greater,
    lessEqual: tf.lessEqual,
    equal: tf.equal,
    notEqual: tf.notEqual,
    prelu: tf.prelu,
    matMul: (a, b) => tf.matMul(a, b),
    where: (a, b) => tf.where(tf.tensor2d([1, 0, 0, 1], [2, 2], 'bool'), a, b),
  };
  // Of two booleans, tfjs's cpu backend keeps bytes: 1 + 1 is a bool of 2, and 0 − 1 one of 255.
  const ofBooleans = new Set([
    'maximum',
    'minimum',
    'floorDiv',
    'greater',
    'lessEqual',
    'equal',
    'notEqual',
    'prelu',
    'where',
  ]);
  test.each(Object.keys(agreeing))('%s, as tfjs takes them', async (name) => {
    for (const [a, b] of pairs) {
      if (a === 'bool' && b === 'bool' && !ofBooleans.has(name)) continue;
      const inputs = [tensor(first[a], a), tensor(second[b], b)];
      await expectSame(agreeing[name], inputs, { gradient: false });
      tf.dispose(inputs);
    }
  });

  test.each(pairs)('concat of %s and %s loses nothing', async (a, b) => {
    const inputs = [tensor(first[a], a), tensor(second[b], b)];
    await expectValues((x, y) => tf.concat([x, y]), inputs, wider(a, b), [...first[a], ...second[b]]);
    tf.dispose(inputs);
  });
  test('concat, and its gradient', async () => {
    const x = tensor(first.float32, 'float32');
    await expectSame((y) => tf.concat([y, tensor(second.int32, 'int32')], 1), [x]);
    x.dispose();
  });
  test('stack, which takes none, says so', async () => {
    const inputs = [tensor(first.int32, 'int32'), tensor(first.float32, 'float32')];
    await expect(compile((x: tf.Tensor, y: tf.Tensor) => tf.stack([x, y]), inputs)).rejects.toThrow(
      'stack: expected tensors of one type, got int32 and float32; cast them first',
    );
    tf.dispose(inputs);
  });
  test('a float normalisation of whole numbers, with a bias of whole numbers', async () => {
    const [x, offset] = [tensor(first.int32, 'int32'), tf.tensor1d([1, 2], 'int32')];
    const normalise: Fn = (a, b) => tf.batchNorm(a, tf.zeros([2]), tf.ones([2]), b, tf.fill([2], 0.5), 0);
    await expectValues(normalise, [x, offset], 'float32', [2.5, 1, 1, 5.5]);
    tf.dispose([x, offset]);
  });
});

describe('booleans are calculated with as 0 and 1', () => {
  const x = () => tensor(first.bool, 'bool');
  test.each<[string, Fn, Type, number[]]>([
    ['add', (a) => tf.add(a, a), 'int32', [2, 0, 2, 2]],
    ['sub', (a) => tf.sub(tf.zerosLike(a), a), 'int32', [-1, 0, -1, -1]],
    ['neg', tf.neg, 'int32', [-1, 0, -1, -1]],
    ['square', tf.square, 'int32', [1, 0, 1, 1]],
    ['div', (a) => tf.div(a, tf.onesLike(a)), 'float32', [1, 0, 1, 1]],
    ['addN', (a) => tf.addN([a, a, a]), 'int32', [3, 0, 3, 3]],
    ['cumsum', (a) => tf.cumsum(a, 1), 'int32', [1, 1, 1, 2]],
    ['argMax', (a) => tf.argMax(a, 1), 'int32', [0, 0]],
    ['max', (a) => tf.max(a, 1), 'bool', [1, 1]],
    ['min', (a) => tf.min(a, 1), 'bool', [0, 1]],
    ['topk', (a) => tf.topk(a, 1).values, 'bool', [1, 1]],
    ['matMul', (a) => tf.matMul(a, a), 'int32', [1, 0, 2, 1]],
    ['isNaN', tf.isNaN, 'bool', [0, 0, 0, 0]],
    ['isFinite', tf.isFinite, 'bool', [1, 1, 1, 1]],
  ])('%s', async (_, fn, dtype, values) => {
    const input = x();
    await expectValues(fn, [input], dtype, values);
    input.dispose();
  });
});

test('of whole numbers, functions with fractions have them', async () => {
  const x = tf.tensor1d([1, -2, 4], 'int32');
  await expectValues(tf.reciprocal, [x], 'float32', [1, -0.5, 0.25]);
  await expectValues(tf.round, [x], 'int32', [1, -2, 4]);
  await expectValues(
    (a) => tf.maxPool(tf.reshape<tf.Rank.R4>(a, [1, 1, 3, 1]), [1, 2], 1, 'valid'),
    [x],
    'int32',
    [1, 4],
  );
  await expectValues(
    (a) => tf.image.resizeNearestNeighbor(tf.reshape<tf.Rank.R4>(a, [1, 1, 3, 1]), [1, 1]),
    [x],
    'int32',
    [1],
  );
  x.dispose();
});
