import { describe, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expectSame, forAll, values } from '../../test/compare';

const seed = fc.integer({ min: 0, max: 999 });
/** A shape and some of its axes. */
const withAxes = fc
  .integer({ min: 1, max: 5 })
  .chain((rank) =>
    fc.tuple(
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: rank, maxLength: rank }),
      fc.subarray([...Array(rank).keys()], { minLength: 1 }),
      fc.boolean(),
      seed,
    ),
  );

describe('reductions over any axes', () => {
  const reductions: Record<string, (x: tf.Tensor, axes: number[], keep: boolean) => tf.Tensor> = {
    sum: tf.sum,
    mean: tf.mean,
    max: tf.max,
    min: tf.min,
    prod: tf.prod,
    logSumExp: tf.logSumExp,
    any: (x, axes, keep) => tf.any(tf.greater(x, 1), axes, keep),
    all: (x, axes, keep) => tf.all(tf.greater(x, -1), axes, keep),
    variance: (x, axes, keep) => tf.moments(x, axes, keep).variance,
    euclideanNorm: (x, axes) => (axes.length <= 2 ? tf.norm(x, 'euclidean', axes) : tf.sum(x)),
  };
  const without = new Set(['any', 'all', 'prod']);
  test.each(Object.entries(reductions))('%s', async (name, fn) => {
    await forAll(
      withAxes,
      ([shape, axes, keep, from]) =>
        expectSame((x) => fn(x, axes, keep), [values(shape, from)], { gradient: !without.has(name) }),
      6,
    );
  });
  test('max and min are NaN where any element is, wherever it lies', async () => {
    for (const at of [0, 1, 5, 11, 22, 23]) {
      tf.engine().startScope();
      const x = tf.tensor(
        Float32Array.from({ length: 24 }, (_, i) =>
          i === at ? NaN : i === 7 ? Infinity : i === 8 ? -Infinity : i % 5,
        ),
        [2, 3, 4],
      );
      const over = [0, 1, 2, [0, 1], [1, 2], [0, 2], [0, 1, 2]];
      await expectSame((y) => over.flatMap((axes) => [tf.max(y, axes), tf.min(y, axes)]), [x], { gradient: false });
      tf.engine().endScope();
    }
  });
  test('all axes, and none', async () => {
    await forAll(
      withAxes,
      ([shape, , , from]) => expectSame((x) => [tf.sum(x), tf.mean(x), tf.sum(x, [])], [values(shape, from)]),
      4,
    );
  });
  test('a product with a factor for each channel', async () => {
    await forAll(
      fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }), seed),
      ([n, h, c, from]) =>
        expectSame(
          (x, y, w) => {
            const product = tf.mul(tf.mul(x, w), y);
            return [
              tf.mean(product, [1, 2, 3], true),
              tf.sum(product, [1, 2]),
              tf.sum(tf.mul(x, w), [0, 1, 2]),
              tf.sum(product),
            ];
          },
          [values([n, h, 3, c], from), values([n, h, 3, c], from + 1), values([c], from + 2)],
          { tolerance: 3e-5 },
        ),
    );
  });
  test('argMax, argMin', async () => {
    await forAll(withAxes, ([shape, [axis], , from]) =>
      expectSame((x) => [tf.argMax(x, axis), tf.argMin(x, axis)], [values(shape, from)], { gradient: false }),
    );
  });
});

describe('along an axis', () => {
  test('softmax, log-softmax', async () => {
    await forAll(withAxes, ([shape, , , from]) =>
      expectSame((x) => [tf.softmax(x), tf.logSoftmax(x)], [values(shape, from)]),
    );
  });
  test('cumsum', async () => {
    await forAll(fc.tuple(withAxes, fc.boolean(), fc.boolean()), ([[shape, [axis], , from], exclusive, reverse]) =>
      expectSame((x) => tf.cumsum(x, axis, exclusive, reverse), [values(shape, from)], {
        gradient: axis === shape.length - 1,
      }),
    );
  });
  test('cumprod', async () => {
    await forAll(fc.tuple(withAxes, fc.boolean(), fc.boolean()), ([[shape, [axis], , from], exclusive, reverse]) =>
      expectSame((x) => tf.cumprod(x, axis, exclusive, reverse), [values(shape, from)], { gradient: false }),
    );
  });
});

describe('normalisation', () => {
  test('batch norm with given statistics', async () => {
    await expectSame(
      (x, m, v, o, s) =>
        tf.batchNorm(
          x as tf.Tensor4D,
          m as tf.Tensor1D,
          tf.square(v) as tf.Tensor1D,
          o as tf.Tensor1D,
          s as tf.Tensor1D,
          1e-3,
        ),
      [
        values([2, 3, 4, 5], 1),
        values([5], 2),
        values([5], 3, { scale: 0.5, shift: 1 }),
        values([5], 4),
        values([5], 5),
      ],
      { tolerance: 5e-5 },
    );
  });
  test('local response', async () => {
    await expectSame((x) => tf.localResponseNormalization(x as tf.Tensor4D, 2, 1, 0.7, 0.6), [values([2, 3, 3, 7], 1)]);
  });
  test('written out, over groups of channels, with its gradient stated or derived', async () => {
    const written = (x: tf.Tensor, axes: number[]) => {
      const centred = tf.sub(x, tf.mean(x, axes, true));
      return tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes, true), 1e-5)));
    };
    const stated = (x: tf.Tensor, axes: number[]) =>
      tf.customGrad((input, save) => {
        const centred = tf.sub(input as tf.Tensor, tf.mean(input as tf.Tensor, axes, true));
        const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes, true), 1e-5));
        const value = tf.mul(centred, scale);
        (save as tf.GradSaveFunc)([value, scale]);
        return {
          value,
          gradFunc: (dy: tf.Tensor, [xHat, invStd]: tf.Tensor[]) => {
            const projection = tf.mul(xHat, tf.mean(tf.mul(dy, xHat), axes, true));
            return tf.mul(tf.sub(tf.sub(dy, tf.mean(dy, axes, true)), projection), invStd);
          },
        };
      })(x);
    for (const normalise of [written, stated]) {
      for (const groups of [1, 2]) {
        for (const n of [1, 3]) {
          tf.engine().startScope();
          await expectSame(
            (x, w, b) => {
              const y = normalise(tf.reshape(x, [n, 12, groups, 6 / groups]), [1, 3]);
              return tf.square(tf.add(tf.mul(tf.reshape(y, x.shape), w), b));
            },
            [values([n, 3, 4, 6], 1), values([6], 2), values([6], 3)],
            { tolerance: 1e-4 },
          );
          tf.engine().endScope();
        }
      }
    }
  });
});
