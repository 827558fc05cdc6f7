import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { compile } from '../compile';
import { expectSame, forAll, values } from '../../test/compare';

const sizes = (rank: number, most = 5) =>
  fc.array(fc.integer({ min: 1, max: most }), { minLength: rank, maxLength: rank });
const seed = fc.integer({ min: 0, max: 999 });
/** A shape and an axis of it. */
const withAxis = fc.integer({ min: 1, max: 4 }).chain((rank) => fc.tuple(sizes(rank), fc.nat({ max: rank - 1 }), seed));

describe('arrangement', () => {
  test('transpose, also twice', async () => {
    const cases = fc.integer({ min: 1, max: 5 }).chain((rank) => {
      const perm = fc.shuffledSubarray([...Array(rank).keys()], { minLength: rank });
      return fc.tuple(sizes(rank), perm, perm, seed);
    });
    await forAll(cases, ([shape, first, second, from]) =>
      expectSame((x) => tf.transpose(tf.transpose(x, first), second), [values(shape, from)]),
    );
  });
  test('reshape of what has been broadcast', async () => {
    await forAll(fc.tuple(sizes(3), seed), ([[a, b, c], from]) =>
      expectSame(
        (x) => tf.add(tf.reshape(tf.add(tf.zeros([a, b, c]), tf.reshape(x, [a, 1, c])), [a, b * c]), 1),
        [values([a, c], from)],
      ),
    );
  });
  test('slice, pad', async () => {
    await forAll(withAxis, ([shape, axis, from]) => {
      const begin = shape.map((size, i) => (i === axis ? Math.floor(size / 2) : 0));
      const extent = shape.map((size, i) => size - begin[i]);
      return expectSame(
        (x) => [
          tf.slice(x, begin, extent),
          tf.pad(
            x,
            shape.map((_, i): [number, number] => [i, axis]),
            0.5,
          ),
        ],
        [values(shape, from)],
      );
    });
  });
  test('strided slices, in both directions and with masks', async () => {
    await forAll(withAxis, ([shape, axis, from]) => {
      const ends = shape.map((size) => size);
      return expectSame(
        (x) => [
          tf.stridedSlice(
            x,
            shape.map(() => 0),
            ends,
            shape.map((_, i) => (i === axis ? 2 : 1)),
          ),
          tf.stridedSlice(
            x,
            shape.map(() => -1),
            shape.map((size) => -size - 1),
            shape.map(() => -1),
          ),
          tf.stridedSlice(
            x,
            shape.map(() => 0),
            ends,
            shape.map(() => 1),
            0,
            0,
            0,
            0,
            1 << axis,
          ),
        ],
        [values(shape, from)],
        { gradient: false },
      );
    });
  });
  test('concat, stack', async () => {
    await forAll(withAxis, ([shape, axis, from]) => {
      const other = shape.map((size, i) => (i === axis ? size + 2 : size));
      return expectSame(
        (a, b, c) => [tf.concat([a, b, c], axis), tf.stack([a, c], axis)],
        [values(shape, from), values(other, from + 1), values(shape, from + 2)],
      );
    });
  });
  test('split, unstack', async () => {
    await forAll(withAxis, ([shape, axis, from]) => {
      const whole = shape.map((size, i) => (i === axis ? size + 3 : size));
      return expectSame(
        (x) => [...tf.split(x, [1, whole[axis] - 3, 2], axis), ...tf.unstack(x, axis)],
        [values(whole, from)],
      );
    });
  });
  test('tile, broadcastTo, reverse, expandDims', async () => {
    await forAll(withAxis, ([shape, axis, from]) =>
      expectSame(
        (x) => [
          tf.tile(
            x,
            shape.map((_, i) => 1 + (i === axis ? 2 : i % 2)),
          ),
          tf.broadcastTo(x, shape.length < 4 ? [2, ...shape] : shape),
          tf.reverse(x, axis),
          tf.expandDims(x, -1),
        ],
        [values(shape, from)],
      ),
    );
  });
  test('mirrorPad', async () => {
    await forAll(
      fc.tuple(sizes(3, 4), seed, fc.constantFrom('reflect' as const, 'symmetric' as const)),
      ([shape, from, mode]) => {
        const whole = shape.map((size) => size + 1);
        return expectSame(
          (x) =>
            tf.mirrorPad(
              x,
              [
                [1, 1],
                [0, 1],
                [1, 0],
              ],
              mode,
            ),
          [values(whole, from)],
          { gradient: false },
        );
      },
    );
  });
  test('space to batch and back, depth to space', async () => {
    await expectSame(
      (x) =>
        tf.spaceToBatchND(
          x,
          [2, 2],
          [
            [0, 1],
            [1, 0],
          ],
        ),
      [values([2, 3, 5, 2], 1)],
    );
    await expectSame(
      (x) =>
        tf.batchToSpaceND(
          x,
          [2, 2],
          [
            [0, 1],
            [1, 0],
          ],
        ),
      [values([8, 3, 2, 2], 1)],
    );
    await expectSame((x) => tf.depthToSpace(x as tf.Tensor4D, 2), [values([2, 3, 2, 8], 1)], { gradient: false });
  });
});

describe('indexing', () => {
  test('gather', async () => {
    await forAll(withAxis, ([shape, axis, from]) => {
      const indices = tf.tensor1d([0, shape[axis] - 1, 0], 'int32');
      return expectSame((x) => tf.gather(x, indices, axis), [values(shape, from)]);
    });
  });
  test('gather with batches', async () => {
    const indices = tf.tensor2d(
      [
        [0, 2],
        [1, 1],
      ],
      [2, 2],
      'int32',
    );
    await expectSame((x) => tf.gather(x, indices, 1, 1), [values([2, 3, 4], 1)], { gradient: false });
    await expectSame((x) => tf.gather(x, indices, 2, 1), [values([2, 4, 3, 2], 1)], { gradient: false });
    indices.dispose();
  });
  test('gather by an input', async () => {
    const indices = tf.tensor1d([2, 0, 1], 'int32');
    await expectSame((x, i) => tf.gather(x, tf.cast(i, 'int32')), [values([3, 4], 1), indices], { gradient: false });
    indices.dispose();
  });
  test('an index that is outside is an error, and never counts from the end', async () => {
    const x = values([3, 2], 1);
    const outside: [string, (table: tf.Tensor, at: tf.Tensor) => tf.Tensor, number[], number[], RegExp][] = [
      ['gather', (table, at) => tf.gather(table, at), [1], [-1], /gather: the index -1 is not in \[0, 2\]/],
      ['gather', (table, at) => tf.gather(table, at), [2], [1, 3], /gather: the index 3 is not in \[0, 2\]/],
      [
        'batches',
        (table, at) => tf.gather(table, at, 1, 1),
        [3, 1],
        [0, 2, 1],
        /gather: the index 2 is not in \[0, 1\]/,
      ],
      [
        'batches',
        (table, at) => tf.gather(table, at, 1, 1),
        [3, 1],
        [0, -1, 1],
        /gather: the index -1 is not in \[0, 1\]/,
      ],
      ['gatherND', (table, at) => tf.gatherND(table, at), [1, 2], [-1, 0], /gatherND: the index -1 is not in \[0, 2\]/],
      ['gatherND', (table, at) => tf.gatherND(table, at), [1, 2], [0, 2], /gatherND: the index 2 is not in \[0, 1\]/],
      [
        'scatterND',
        (table, at) => tf.scatterND(at, tf.slice(table, [0, 0], [1, 2]), [4, 2]),
        [1, 1],
        [-2],
        /index -2 is not in \[0, 3\]/,
      ],
    ];
    for (const [, fn, size, indices, message] of outside) {
      const places = tf.tensor(indices, size, 'int32');
      // Known when compiled, it is named; known when run, it is ONNX Runtime that refuses it.
      await expect(compile((table: tf.Tensor) => fn(table, places), [x])).rejects.toThrow(message);
      const compiled = await compile(fn, [x, places], { threads: 1 });
      await expect(compiled(x, places)).rejects.toThrow(/out of|invalid ind/i);
      await compiled.dispose();
      places.dispose();
    }
    x.dispose();
  });
  test('gatherND, scatterND, one-hot, segment sums, top-k', async () => {
    const places = tf.tensor2d(
      [
        [0, 1],
        [2, 0],
        [2, 0],
      ],
      [3, 2],
      'int32',
    );
    await expectSame((x) => tf.gatherND(x, places), [values([3, 2, 4], 1)], { gradient: false });
    await expectSame((x) => tf.scatterND(places, x, [3, 2]), [values([3], 1)], { gradient: false });
    const labels = tf.tensor1d([2, 0, 3, 2], 'int32');
    await expectSame((i) => [tf.oneHot(tf.cast(i, 'int32'), 4), tf.oneHot(tf.cast(i, 'int32'), 3, 2, -1)], [labels], {
      gradient: false,
    });
    await expectSame((x) => tf.unsortedSegmentSum(x, labels, 3), [values([4, 2], 1)], { gradient: false });
    await expectSame(
      (x) => {
        const { values: v, indices } = tf.topk(x, 2);
        return [v, indices];
      },
      [values([3, 5], 1)],
      { gradient: false },
    );
    tf.dispose([places, labels]);
  });
});
