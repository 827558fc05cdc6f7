import { describe, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expectSame, forAll, values } from '../../test/compare';

const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 0, maxLength: 4 });
const seed = fc.integer({ min: 0, max: 999 });

const everywhere = {
  abs: tf.abs,
  atan: tf.atan,
  asinh: tf.asinh,
  ceil: tf.ceil,
  clipByValue: (x: tf.Tensor) => tf.clipByValue(x, -0.5, 1),
  cos: tf.cos,
  cosh: tf.cosh,
  elu: tf.elu,
  erf: tf.erf,
  exp: tf.exp,
  expm1: tf.expm1,
  floor: tf.floor,
  leakyRelu: (x: tf.Tensor) => tf.leakyRelu(x, 0.1),
  neg: tf.neg,
  prelu: (x: tf.Tensor) => tf.prelu(x, tf.scalar(0.3)),
  relu: tf.relu,
  relu6: tf.relu6,
  round: tf.round,
  selu: tf.selu,
  sigmoid: tf.sigmoid,
  sign: tf.sign,
  sin: tf.sin,
  sinh: tf.sinh,
  softplus: tf.softplus,
  square: tf.square,
  step: (x: tf.Tensor) => tf.step(x, 0.2),
  tan: (x: tf.Tensor) => tf.tan(tf.mul(x, 0.5)),
  tanh: tf.tanh,
  isNaN: (x: tf.Tensor) => tf.isNaN(tf.log(x)),
  isInf: (x: tf.Tensor) => tf.isInf(tf.div(1, tf.relu(x))),
  isFinite: (x: tf.Tensor) => tf.isFinite(tf.div(1, tf.relu(x))),
  onesLike: tf.onesLike,
  zerosLike: tf.zerosLike,
  castInt: (x: tf.Tensor) => tf.cast(tf.mul(x, 3), 'int32'),
  castBool: (x: tf.Tensor) => tf.cast(tf.round(x), 'bool'),
  intMaths: (x: tf.Tensor) => {
    const a = tf.cast(tf.mul(x, 9), 'int32');
    return [
      tf.add(a, 3),
      tf.mul(a, a),
      tf.sub(a, 7),
      tf.neg(a),
      tf.abs(a),
      tf.maximum(a, 2),
      tf.floorDiv(a, 4),
      tf.mod(a, 5),
    ];
  },
};
const positive = {
  acosh: (x: tf.Tensor) => tf.acosh(tf.add(x, 1)),
  log: tf.log,
  log1p: tf.log1p,
  logSigmoid: tf.logSigmoid,
  pow: (x: tf.Tensor) => tf.pow(x, 1.7),
  reciprocal: tf.reciprocal,
  rsqrt: tf.rsqrt,
  sqrt: tf.sqrt,
};
const bounded = { acos: tf.acos, asin: tf.asin, atanh: tf.atanh };

const binaries: Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = {
  add: tf.add,
  atan2: tf.atan2,
  div: (a, b) => tf.div(a, tf.add(tf.abs(b), 0.5)),
  maximum: tf.maximum,
  minimum: tf.minimum,
  mod: (a, b) => tf.mod(a, tf.add(tf.abs(b), 0.5)),
  mul: tf.mul,
  pow: (a, b) => tf.pow(tf.add(tf.abs(a), 0.5), b),
  squaredDifference: tf.squaredDifference,
  sub: tf.sub,
  prelu: (a, b) => (a.rank >= b.rank ? tf.prelu(a, b) : tf.prelu(b, a)),
};
const comparisons: Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  logicalAnd: (a, b) => tf.logicalAnd(tf.greater(a, 0), tf.greater(b, 0)),
  logicalOr: (a, b) => tf.logicalOr(tf.greater(a, 0), tf.greater(b, 0)),
  logicalXor: (a, b) => tf.logicalXor(tf.greater(a, 0), tf.greater(b, 0)),
  logicalNot: (a) => tf.logicalNot(tf.greater(a, 0)),
};

/** Two shapes that broadcast together. */
const pair = shape.chain((full) =>
  fc
    .tuple(
      fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }),
      fc.nat({ max: full.length }),
      fc.boolean(),
    )
    .map(([ones, drop, swap]) => {
      const other = full.map((size, i) => (ones[i] ? 1 : size)).slice(drop);
      return swap ? ([other, full] as const) : ([full, other] as const);
    }),
);

describe('unary', () => {
  const families: [Record<string, (x: tf.Tensor) => tf.Tensor | tf.Tensor[]>, object][] = [
    [everywhere, {}],
    [positive, { scale: 1, shift: 1.2 }],
    [bounded, { scale: 0.9 }],
  ];
  const cases = families.flatMap(([family, range]) =>
    Object.entries(family).map(([name, fn]) => [name, fn, range] as const),
  );
  const without = new Set(['isNaN', 'isInf', 'isFinite', 'castInt', 'castBool', 'intMaths']);
  test.each(cases)('%s', async (name, fn, range) => {
    await forAll(
      fc.tuple(shape, seed),
      ([size, from]) => expectSame(fn, [values(size, from, range)], { gradient: !without.has(name) }),
      3,
    );
  });
});

describe('binary', () => {
  test.each(Object.entries(binaries))('%s, with broadcasting', async (name, fn) => {
    // tfjs's own gradients of some do not broadcast.
    const alike = ['maximum', 'minimum', 'squaredDifference'].includes(name);
    await forAll(
      fc.tuple(pair, seed),
      ([[a, b], from]) =>
        expectSame(fn as never, [values(a, from), values(b, from + 1)], { gradient: !alike || a.join() === b.join() }),
      5,
    );
  });
  test.each(Object.entries(comparisons))('%s', async (_, fn) => {
    await forAll(
      fc.tuple(pair, seed),
      ([[a, b], from]) =>
        expectSame((x, y) => fn(tf.round(x), tf.round(y)), [values(a, from), values(b, from + 1)], { gradient: false }),
      3,
    );
  });
  test('broadcasting over long, short and interleaved axes', async () => {
    for (const [a, b] of [
      [[2, 30, 20, 7], [7]],
      [
        [2, 30, 20, 7],
        [2, 1, 1, 7],
      ],
      [
        [2, 30, 4, 5],
        [2, 1, 4, 1],
      ],
      [
        [2, 30, 4, 5],
        [30, 1, 1],
      ],
      [
        [2, 600],
        [2, 1],
      ],
      [
        [3, 1, 50, 2],
        [20, 1, 2],
      ],
    ]) {
      tf.engine().startScope();
      await expectSame((x, y) => [tf.add(x, y), tf.mul(y, x), tf.sub(y, x)], [values(a, 1), values(b, 2)], {
        tolerance: 2e-5,
      });
      tf.engine().endScope();
    }
  });
});

test('select', async () => {
  await forAll(fc.tuple(shape, seed), ([size, from]) =>
    expectSame(
      (c, a, b) => tf.where(tf.greater(c, 0), a, b),
      [values(size, from), values(size, from + 1), values(size, from + 2)],
      {
        gradient: false,
      },
    ),
  );
});

test('sums of many', async () => {
  await forAll(
    fc.tuple(shape, seed),
    ([size, from]) =>
      expectSame((...all) => tf.addN(all), [values(size, from), values(size, from + 1), values(size, from + 2)]),
    3,
  );
});
