import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { compile } from '../../compile';
import { expectSame, forAll, values } from '../../../test/compare';

const seed = fc.integer({ min: 0, max: 999 });
const small = (min: number, max: number) => fc.integer({ min, max });

/** Any convolution that tfjs takes. */
const conv = fc.record({
  n: small(1, 3),
  h: small(3, 8),
  w: small(3, 8),
  ci: fc.constantFrom(1, 2, 3, 5, 8, 9, 16, 18, 20),
  co: fc.constantFrom(1, 2, 4, 7, 16, 17, 24),
  kh: small(1, 4),
  kw: small(1, 3),
  stride: small(1, 3),
  pad: fc.constantFrom<'same' | 'valid' | number>('same', 'valid', 0, 1),
  seed,
});

/** tfjs wants it stated for numbers, and refuses it for names. */
const rounding = (pad: string | number) => (typeof pad === 'number' ? 'floor' : undefined);

const weights = (shape: number[], from: number) => values(shape, from, { scale: 0.5 });

describe('conv2d', () => {
  test('and its gradients, with any stride and padding', async () => {
    await forAll(
      conv.filter(({ h, w, kh, kw }) => h >= kh && w >= kw),
      ({ n, h, w, ci, co, kh, kw, stride, pad, seed: from }) =>
        expectSame(
          (x, f) => tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, stride, pad, 'NHWC', 1, rounding(pad)),
          [values([n, h, w, ci], from), weights([kh, kw, ci, co], from + 1)],
          {
            tolerance: 2e-5,
          },
        ),
      25,
    );
  });
  test('with different strides, explicit padding, dilation, a bias, and channels first', async () => {
    const x = values([2, 7, 6, 9], 1);
    const f = weights([3, 2, 9, 17], 2);
    const bias = values([17], 3);
    await expectSame((a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, [2, 1], 'same'), [x, f], {
      tolerance: 2e-5,
    });
    await expectSame(
      (a, b) =>
        tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, [
          [0, 0],
          [2, 1],
          [0, 3],
          [0, 0],
        ]),
      [x, f],
      { tolerance: 2e-5 },
    );
    for (const pad of ['same', 'valid'] as const) {
      await expectSame((a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, pad, 'NHWC', [2, 3]), [x, f], {
        gradient: false,
      });
    }
    await expectSame(
      (a, b, c) => tf.relu(tf.add(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same'), c)),
      [x, f, bias],
      {
        tolerance: 2e-5,
      },
    );
    await expectSame(
      (a, b, c) => tf.add(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same'), c),
      [x, weights([1, 1, 9, 17], 4), bias],
      { tolerance: 2e-5 },
    );
    await expectSame(
      (a, b, c) =>
        tf.fused.conv2d({
          x: a as tf.Tensor4D,
          filter: b as tf.Tensor4D,
          strides: 1,
          pad: 'same',
          bias: c,
          activation: 'relu6',
        }),
      [x, f, bias],
      { gradient: false },
    );
    tf.dispose([x, f, bias]);
  });
  test('with so many channels that rows are cut into tiles', async () => {
    await forAll(
      fc.record({
        n: fc.constantFrom(1, 2, 3, 8),
        h: small(2, 5),
        w: fc.constantFrom(4, 6, 7, 8, 11),
        ci: fc.constantFrom(48, 50, 64),
        co: fc.constantFrom(49, 56),
        kh: small(1, 3),
        strideY: small(1, 2),
        pad: fc.constantFrom<'same' | 'valid' | [number, number]>('same', 'valid', [0, 2], [2, 1]),
        seed,
      }),
      ({ n, h, w, ci, co, kh, strideY, pad, seed: from }) => {
        const padding =
          typeof pad === 'string'
            ? pad
            : ([[0, 0], [kh >> 1, kh >> 1], pad, [0, 0]] as tf.backend_util.ExplicitPadding);
        return expectSame(
          (x, f, b) => tf.add(tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, [strideY, 1], padding), b),
          [values([n, Math.max(h, kh), w, ci], from), weights([kh, 3, ci, co], from + 1), values([co], from + 2)],
          { tolerance: 2e-5, gradient: strideY === 1 },
        );
      },
      8,
    );
  });
  test('larger than a block of channels or a tile of pixels', async () => {
    tf.engine().startScope();
    await expectSame(
      (x, f) => tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, 'same'),
      [values([2, 9, 17, 33], 1), weights([3, 3, 33, 50], 2)],
      { tolerance: 3e-5 },
    );
    tf.engine().endScope();
  });
});

test('transposed conv2d and its gradients', async () => {
  await forAll(
    fc.record({
      n: small(1, 2),
      h: small(2, 5),
      w: small(2, 5),
      ci: small(1, 18),
      co: small(1, 17),
      k: small(2, 4),
      stride: small(1, 2),
      seed,
    }),
    ({ n, h, w, ci, co, k, stride, seed: from }) => {
      const pad = k >= 3 ? 1 : 0;
      const out = (size: number) => (size - 1) * stride + k - 2 * pad;
      return expectSame(
        (x, f) => tf.conv2dTranspose(x as tf.Tensor4D, f as tf.Tensor4D, [n, out(h), out(w), co], stride, pad),
        [values([n, h, w, ci], from), weights([k, k, co, ci], from + 1)],
        { tolerance: 2e-5 },
      );
    },
    12,
  );
});

describe('depthwise conv2d', () => {
  test('and its gradients, with any stride, padding and multiplier', async () => {
    await forAll(
      fc.record({
        n: small(1, 3),
        h: small(3, 8),
        w: small(3, 8),
        c: fc.constantFrom(1, 3, 8, 16, 18),
        m: fc.constantFrom(1, 1, 2),
        k: small(1, 3),
        stride: small(1, 2),
        pad: fc.constantFrom<'same' | 'valid' | number>('same', 'valid', 1),
        seed,
      }),
      ({ n, h, w, c, m, k, stride, pad, seed: from }) =>
        expectSame(
          (x, f) => tf.depthwiseConv2d(x as tf.Tensor4D, f as tf.Tensor4D, stride, pad, 'NHWC', 1, rounding(pad)),
          [values([n, h, w, c], from), weights([k, k, c, m], from + 1)],
          {
            tolerance: 2e-5,
          },
        ),
      16,
    );
  });
  test('7×7, dilated, and fused', async () => {
    tf.engine().startScope();
    const x = values([2, 9, 8, 20], 1);
    await expectSame(
      (a, f) => tf.depthwiseConv2d(a as tf.Tensor4D, f as tf.Tensor4D, 1, 3),
      [x, weights([7, 7, 20, 1], 2)],
      {
        tolerance: 2e-5,
      },
    );
    await expectSame(
      (a, f) => tf.depthwiseConv2d(a as tf.Tensor4D, f as tf.Tensor4D, 1, 'same', 'NHWC', 2),
      [x, weights([3, 3, 20, 1], 2)],
      { gradient: false },
    );
    await expectSame(
      (a, f, b) =>
        tf.fused.depthwiseConv2d({
          x: a as tf.Tensor4D,
          filter: f as tf.Tensor4D,
          strides: 1,
          pad: 'same',
          bias: b,
          activation: 'relu',
        }),
      [x, weights([3, 3, 20, 1], 2), values([20], 4)],
      { gradient: false },
    );
    tf.engine().endScope();
  });
});

describe('pooling', () => {
  const pools: Record<string, (x: tf.Tensor4D, k: number, s: number, p: 'same' | 'valid' | number) => tf.Tensor> = {
    max: (x, k, s, p) => tf.maxPool(x, k, s, p, rounding(p)),
    average: (x, k, s, p) => tf.avgPool(x, k, s, p, rounding(p)),
  };
  test.each(Object.entries(pools))('%s, and its gradient', async (_, pool) => {
    await forAll(
      fc.record({
        n: small(1, 2),
        h: small(4, 7),
        w: small(4, 7),
        c: small(1, 3),
        k: small(2, 3),
        s: small(1, 3),
        pad: fc.constantFrom<'same' | 'valid' | number>('same', 'valid', 1),
        seed,
      }),
      ({ n, h, w, c, k, s, pad, seed: from }) =>
        expectSame((x) => pool(x as tf.Tensor4D, k, s, pad), [values([n, h, w, c], from)]),
      10,
    );
  });
});

describe('resizing', () => {
  test('bilinear and nearest, and their gradients', async () => {
    await forAll(
      fc.record({
        n: small(1, 2),
        h: small(2, 5),
        w: small(2, 5),
        height: small(1, 9),
        width: small(1, 9),
        align: fc.boolean(),
        half: fc.boolean(),
        seed,
      }),
      ({ n, h, w, height, width, align, half, seed: from }) =>
        expectSame(
          (x) => [
            tf.image.resizeBilinear(x as tf.Tensor4D, [height, width], align, half && !align),
            tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [height, width], align, half && !align),
          ],
          [values([n, h, w, 2], from)],
        ),
      14,
    );
  });
});

describe('matrices', () => {
  test('einsum, and its gradients', async () => {
    for (const [equation, ...shapes] of [
      ['ij,jk->ik', [3, 7], [7, 4]],
      ['bhid,bhjd->bhij', [2, 3, 4, 5], [2, 3, 6, 5]],
      ['bhij,bhjd->bihd', [2, 3, 4, 6], [2, 3, 6, 5]],
      ['bpi,ij->bpj', [2, 5, 3], [3, 4]],
      ['i,j->ji', [3], [4]],
      ['bi,bi->b', [3, 4], [3, 4]],
      ['bi,bi->', [3, 4], [3, 4]],
      ['ijk->ki', [2, 3, 4]],
    ] as [string, ...number[][]][]) {
      tf.engine().startScope();
      const inputs = shapes.map((shape, i) => values(shape, i));
      await expectSame((...tensors) => tf.einsum(equation, ...tensors), inputs);
      tf.engine().endScope();
    }
  });
  test('einsum that sums over what one tensor alone has', async () => {
    const inputs = [values([2, 3, 4], 1), values([5, 4], 2)];
    const compiled = await compile((...tensors: tf.Tensor[]) => tf.einsum('ijk,lk->il', ...tensors), inputs);
    const actual = await compiled(...inputs);
    const expected = tf.tidy(() => tf.matMul<tf.Tensor>(tf.sum(inputs[0], 1), inputs[1], false, true)).dataSync();
    actual.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
    await compiled.dispose();
    tf.dispose([inputs, actual]);
  });
  test('of matrices of different rank, and their gradients', async () => {
    for (const [a, b, transposeA, transposeB] of [
      [[2, 4, 3], [3, 5], false, false],
      [[2, 4, 3], [5, 3], false, true],
      [[2, 3, 4], [3, 5], true, false],
      [[2, 3, 4], [5, 3], true, true],
      [[4, 3], [2, 3, 5], false, false],
      [[2, 2, 4, 3], [3, 1], false, false],
      [[2, 4, 3], [1, 3, 5], false, false],
    ] as [number[], number[], boolean, boolean][]) {
      tf.engine().startScope();
      await expectSame((x, y) => tf.matMul(x, y, transposeA, transposeB), [values(a, 1), values(b, 2)]);
      tf.engine().endScope();
    }
  });
  test('products of any transposition and batch', async () => {
    await forAll(
      fc.record({
        batch: fc.array(small(1, 3), { maxLength: 2 }),
        m: small(1, 5),
        k: small(1, 5),
        n: small(1, 5),
        ta: fc.boolean(),
        tb: fc.boolean(),
        seed,
      }),
      ({ batch, m, k, n, ta, tb, seed: from }) =>
        expectSame(
          (a, b) => tf.matMul(a, b, ta, tb),
          [
            values([...batch, ...(ta ? [k, m] : [m, k])], from),
            values([...batch, ...(tb ? [n, k] : [k, n])], from + 1),
          ],
        ),
      10,
    );
  });
  test('with a bias, and fused with an activation', async () => {
    const inputs = [values([4, 3], 1), values([3, 5], 2), values([5], 3)];
    await expectSame((a, b, c) => tf.add(tf.matMul(a, b), c), inputs);
    await expectSame(
      (a, b, bias) => tf.fused.matMul({ a, b, transposeA: false, transposeB: false, bias, activation: 'elu' }),
      inputs,
      {
        gradient: false,
      },
    );
    tf.dispose(inputs);
  });
  test('with weights, the columns taken apart as heads', async () => {
    for (const [n, rows, inner, heads, d] of [
      [2, 6, 5, 4, 3],
      [1, 4, 3, 1, 2],
      [3, 1, 2, 2, 5],
    ]) {
      tf.engine().startScope();
      const w = values([inner, 2 * heads * d], 2);
      await expectSame(
        (x) => {
          const parts = tf.split(tf.matMul(tf.reshape(x, [n * rows, inner]), w), 2, 1);
          const [a, b] = parts.map((part) => tf.reshape(part, [n, rows, heads, d]));
          return [tf.transpose(a, [0, 2, 1, 3]), tf.transpose(b, [0, 2, 3, 1]), tf.add(a, b)];
        },
        [values([n, rows, inner], 1)],
      );
      tf.engine().endScope();
    }
  });
});

test('a kernel without a lowering is named', async () => {
  const x = values([2, 4], 1);
  await expect(compile((a: tf.Tensor) => tf.spectral.rfft(a), [x])).rejects.toThrow(
    /no lowering for the kernel|complex64/,
  );
  x.dispose();
});
