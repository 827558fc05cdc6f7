import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { einsum } from './einsum';
import { registerGradients } from './register-gradients';

type Fn = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Numbers in (−1, 1) without a pattern, no two of them near each other. */
function values(shape: number[], seed: number): tf.Tensor {
  const data = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  });
  return tf.tensor(data, shape);
}

/**
 * The gradients of a weighted sum of the results agree with central differences, which float32 leaves some four digits
 * of; no tensor is left behind.
 */
function expectTrueGradients(fn: Fn, shapes: number[][], step = 2 ** -8): void {
  const inputs = shapes.map((shape, i) => values(shape, i + 1));
  const weights = tf.tidy(() => values(fn(...inputs).shape, 9));
  const loss = (...xs: tf.Tensor[]) => tf.tidy(() => tf.sum(tf.mul(fn(...xs), weights)));
  const before = tf.memory().numTensors;
  const gradients = tf.grads(loss)(inputs);
  expect(tf.memory().numTensors).toBe(before + inputs.length);
  for (const [which, input] of inputs.entries()) {
    const data = input.dataSync();
    const difference = (i: number) => {
      const [up, down] = [step, -step].map((by) => {
        const moved = Float32Array.from(data, (value, j) => (i === j ? value + by : value));
        return tf.tidy(
          () => loss(...inputs.map((x, j) => (j === which ? tf.tensor(moved, x.shape) : x))).dataSync()[0],
        );
      });
      return (up - down) / (2 * step);
    };
    const gradient = gradients[which].dataSync();
    data.forEach((_, i) => {
      const expected = difference(i);
      const near = Math.abs(gradient[i] - expected) < 1e-3 * (1 + Math.abs(expected));
      expect({ which, i, expected, actual: gradient[i], near }).toMatchObject({ near: true });
    });
  }
  tf.dispose([inputs, weights, gradients]);
}

beforeAll(() => {
  registerGradients();
  registerGradients();
});

describe('gradients agree with finite differences:', () => {
  test.each<[string, number[], number[], boolean?, boolean?]>([
    ['a dense layer over pixels', [2, 4, 3], [3, 5]],
    ['the same, transposed', [2, 4, 3], [5, 3], false, true],
    ['both transposed', [2, 3, 4], [5, 3], true, true],
    ['the first transposed', [2, 3, 4], [3, 5], true],
    ['one matrix in front', [4, 3], [2, 3, 5]],
    ['batches of size 1', [2, 1, 4, 3], [1, 1, 3, 2]],
    ['batches, one against many', [2, 3, 4, 3], [3, 3, 2]],
    ['equal batches', [2, 4, 3], [2, 3, 2]],
    ['matrices', [4, 3], [3, 2]],
  ])('matMul of %s', (_, a, b, transposeA = false, transposeB = false) =>
    expectTrueGradients((x, y) => tf.matMul(x, y, transposeA, transposeB), [a, b]),
  );
  test('matMul of a matrix and itself, transposed', () =>
    expectTrueGradients((x) => tf.matMul(x, x, false, true), [[3, 2]]));

  test.each<[string, ...number[][]]>([
    ['ij,jk->ik', [3, 2], [2, 4]],
    ['bpi,ij->bpj', [2, 3, 2], [2, 4]],
    ['bhid,bhjd->bhij', [1, 2, 3, 2], [1, 2, 2, 2]],
    ['i,j->ji', [3], [2]],
    ['bi,bi->b', [3, 4], [3, 4]],
    ['bi,bi->', [3, 2], [3, 2]],
    ['ijk->ki', [2, 3, 2]],
    ['ij->', [2, 3]],
  ])('einsum %s', (equation, ...shapes) =>
    expectTrueGradients((...tensors) => tf.einsum(equation, ...tensors), shapes),
  );

  for (const [name, fn] of Object.entries({ maximum: tf.maximum, minimum: tf.minimum }))
    test(`${name}, broadcast`, () => {
      expectTrueGradients(fn, [[2, 3], [3]]);
      expectTrueGradients(fn, [[1], [2, 3]]);
      expectTrueGradients(fn, [
        [2, 1],
        [1, 3],
      ]);
    });
  test('maximum of equals, whose gradient is the first one’s', () => {
    const [a, b] = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.maximum(x, y))([tf.scalar(1), tf.scalar(1)]);
    expect([a.dataSync()[0], b.dataSync()[0]]).toEqual([1, 0]);
    tf.dispose([a, b]);
  });

  test.each([0, 1, 2])('cumsum along axis %s', (axis) => {
    for (const exclusive of [false, true])
      for (const reverse of [false, true])
        expectTrueGradients((x) => tf.cumsum(x, axis, exclusive, reverse), [[3, 2, 4]]);
  });

  test.each<[number | [number, number], number, 'same' | 'valid' | number, 'floor' | 'ceil' | undefined]>([
    [3, 1, 'same', undefined],
    [3, 2, 'same', undefined],
    [[2, 3], 2, 'same', undefined],
    [2, 2, 'valid', undefined],
    [3, 2, 1, 'floor'],
    [3, 2, 1, 'ceil'],
    [2, 3, 0, 'floor'],
    [3, 2, 0, 'ceil'],
  ])('average pooling: window %s, stride %s, padding %s, %s', (size, stride, pad, rounding) =>
    expectTrueGradients((x) => tf.avgPool(x as tf.Tensor4D, size, stride, pad, rounding), [[2, 6, 5, 2]]),
  );

  for (const [name, resize] of Object.entries({
    bilinear: tf.image.resizeBilinear,
    nearest: tf.image.resizeNearestNeighbor,
  })) {
    test.each<[[number, number], boolean, boolean]>([
      [[7, 5], false, false],
      [[7, 5], true, false],
      [[7, 5], false, true],
      [[2, 3], false, true],
      [[8, 6], false, true],
      [[1, 1], true, false],
    ])(`${name} resizing to %s, corners aligned: %s, half-pixel centres: %s`, (size, alignCorners, halfPixelCenters) =>
      expectTrueGradients((x) => resize(x as tf.Tensor4D, size, alignCorners, halfPixelCenters), [[2, 4, 3, 2]]),
    );
  }

  test.each(['reflect', 'symmetric'] as const)(
    'mirror padding, %s',
    (mode) =>
    expectTrueGradients((x) => tf.mirrorPad(x, [[1, 1], [0, 0], [2, 0]], mode), [[3, 2, 3]]), // prettier-ignore
  );
});

describe('einsum', () => {
  test('computes what tf.einsum does', () => {
    for (const [equation, ...shapes] of [
      ['bhid,bhjd->bhij', [2, 3, 4, 5], [2, 3, 6, 5]],
      ['bhij,bhjd->bihd', [2, 3, 4, 6], [2, 3, 6, 5]],
      ['i, j -> ji', [3], [4]],
      ['ijk->ki', [2, 3, 4]],
    ] as [string, ...number[][]][]) {
      const tensors = shapes.map((shape, i) => values(shape, i));
      const [expected, actual] = [tf.einsum(equation, ...tensors), einsum(equation, ...tensors)];
      expect(actual.shape).toEqual(expected.shape);
      const right = expected.dataSync();
      actual.dataSync().forEach((value, i) => expect(value).toBeCloseTo(right[i], 4));
      tf.dispose([tensors, expected, actual]);
    }
  });
  test('sums over what one tensor alone has, which tf.einsum on cpu does not always', () => {
    const [a, b] = [values([2, 3, 4], 1), values([5, 4], 2)];
    const expected = tf.tidy(() => tf.matMul<tf.Tensor>(tf.sum(a, 1), b, false, true));
    const actual = einsum('ijk,lk->il', a, b);
    expect([...actual.dataSync()]).toEqual([...expected.dataSync()]);
    tf.dispose([a, b, expected, actual]);
  });
  test('says what does not fit', () => {
    const [a, b] = [tf.ones([2, 3]), tf.ones([4, 5])];
    expect(() => einsum('ij,jk->ik', a, b)).toThrow('Expected dimension 3');
    expect(() => einsum('ij,jk', a, b)).toThrow('arrow');
    expect(() => einsum('ij->ji', a, b)).toThrow('Expected 1 input tensors, received 2');
    tf.dispose([a, b]);
  });
});
