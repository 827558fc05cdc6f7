import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import {
  Attention,
  Block,
  causalMask,
  Conv2d,
  ConvNextBlock,
  ConvTranspose2d,
  DepthwiseConv2d,
  disposeParameters,
  Downsample,
  Embedding,
  gelu,
  geluTanh,
  GroupNorm,
  LayerNorm,
  Linear,
  LinearAttention,
  loadParameters,
  loadTorchTensors,
  MultiHeadAttention,
  namedParameters,
  normalInit,
  paddingMask,
  parameterCount,
  parameterValues,
  readingOnly,
  PreNorm,
  quickGelu,
  ResnetBlock,
  RmsNorm,
  silu,
  sinusoidalEmbedding,
  toTorchTensors,
  Upsample,
  xavierInit,
  zeroInit,
} from './index';
import type { Init, TorchAxes } from './index';

const rng = new Random(5);
const image = (...shape: [number, number, number, number]) =>
  tf.tensor4d(rng.normals(tf.util.sizeFromShape(shape)), shape);
const numbers = (x: tf.Tensor) => [...x.dataSync()];

describe('shapes', () => {
  test.each<[string, { apply(x: tf.Tensor4D): tf.Tensor4D }, number[]]>([
    ['Downsample rounds down', new Downsample({ dim: 3, rng }), [2, 2, 4, 3]],
    ['Upsample doubles', new Upsample({ dim: 3, rng }), [2, 10, 18, 3]],
    ['Block', new Block({ dim: 3, dimOut: 4, groups: 2, rng }), [2, 5, 9, 4]],
    ['ConvNextBlock', new ConvNextBlock({ dim: 3, dimOut: 5, rng }), [2, 5, 9, 5]],
    ['Attention', new Attention({ dim: 3, heads: 3, dimHead: 2, rng }), [2, 5, 9, 3]],
    ['LinearAttention', new LinearAttention({ dim: 3, heads: 3, dimHead: 2, rng }), [2, 5, 9, 3]],
    ['DepthwiseConv2d without padding', new DepthwiseConv2d({ channels: 3, kernelSize: 3, rng }), [2, 3, 7, 3]],
    ['Conv2d with stride', new Conv2d({ inChannels: 3, outChannels: 2, kernelSize: 3, stride: 2, rng }), [2, 2, 4, 2]],
  ])('%s, also of sizes that are odd and not square', (_, layer, shape) => {
    expect(layer.apply(image(2, 5, 9, 3)).shape).toEqual(shape);
  });
});

describe('Linear', () => {
  test('works over the last axis of any rank', () => {
    const linear = new Linear({ inFeatures: 3, outFeatures: 2, rng });
    const x = image(2, 4, 5, 3);
    const y = linear.apply(x);
    expect(y.shape).toEqual([2, 4, 5, 2]);
    expect(linear.apply(tf.reshape(tf.slice(x, [1, 2, 3, 0], [1, 1, 1, 3]), [3])).arraySync()).toEqual(
      y.arraySync()[1][2][3],
    );
  });
});

test('RmsNorm gives every pixel a mean square of 1, and its gradient is that of finite differences', () => {
  const norm = new RmsNorm({ channels: 3 });
  const x = image(2, 3, 2, 3);
  const y = norm.apply(x);
  for (const square of numbers(tf.mean(tf.square(y), 3))) expect(square).toBeCloseTo(1, 5);
  expect(numbers(norm.apply(tf.mul(x, 100)))).toEqual(numbers(y).map((value) => expect.closeTo(value, 5)));
  expect(numbers(norm.apply(tf.zerosLike(x)))).toEqual(Array(36).fill(0));
  norm.g.assign(tf.tensor4d([1, -2, 3], [1, 1, 1, 3]));
  const probe = image(2, 3, 2, 3);
  const loss = (at: tf.Tensor) => tf.sum(tf.mul(norm.apply(at as tf.Tensor4D), probe));
  const along = image(2, 3, 2, 3);
  const slope = tf.sum(tf.mul(tf.grad(loss)(x), along)).dataSync()[0];
  const [above, below] = [0.01, -0.01].map((by) => loss(tf.add(x, tf.mul(along, by))).dataSync()[0]);
  expect((above - below) / 0.02).toBeCloseTo(slope, 1);
});

describe('GroupNorm', () => {
  test('gives every group of every image mean 0 and variance 1', () => {
    const y = new GroupNorm({ groups: 2, channels: 6 }).apply(tf.add(tf.mul(image(3, 4, 4, 6), 5), 7));
    const { mean, variance } = tf.moments(tf.reshape(y, [3, 16, 2, 3]), [1, 3]);
    for (const m of numbers(mean)) expect(Math.abs(m)).toBeLessThan(1e-5);
    for (const v of numbers(variance)) expect(Math.abs(v - 1)).toBeLessThan(1e-4);
  });
});

describe('sinusoidalEmbedding', () => {
  const t = () => tf.tensor1d([0, 3, 2.5]);
  const rows = (x: tf.Tensor2D) => x.arraySync();
  test('is sines, then cosines, of t by frequencies that fall from 1', () => {
    const [zero, three, fractional] = rows(sinusoidalEmbedding(t(), { dim: 4 }));
    expect(zero).toEqual([0, 0, 1, 1]);
    [Math.sin(3), Math.sin(0.03), Math.cos(3), Math.cos(0.03)].forEach((value, i) =>
      expect(three[i]).toBeCloseTo(value, 6),
    );
    expect(fractional[1]).toBeCloseTo(Math.sin(0.025), 6);
  });
  test('may end in 1/maxPeriod, have another period, and begin with the cosines', () => {
    const [, three] = rows(sinusoidalEmbedding(t(), { dim: 6, maxPeriod: 100, endpoint: true, cosFirst: true }));
    const angles = [3, 0.3, 0.03];
    [...angles.map(Math.cos), ...angles.map(Math.sin)].forEach((value, i) => expect(three[i]).toBeCloseTo(value, 6));
  });
});

describe('masks', () => {
  const keys = tf.tensor2d([1, 1, 1, 0, 1, 0, 0, 0], [2, 4], 'int32');
  const attention = new MultiHeadAttention({ dim: 4, heads: 2, rng });
  const x = tf.tensor3d(rng.normals(32), [2, 4, 4]);
  /** Which positions of x the output at a position depends on, in the first sequence. */
  const seenBy = (position: number, mask?: tf.Tensor) => {
    const output = (from: tf.Tensor) =>
      tf.sum(tf.slice(attention.apply(from as tf.Tensor3D, { mask }), [0, position, 0], [1, 1, 3]));
    const gradient = tf.sum(tf.abs(tf.grad(output)(x)), 2).arraySync() as number[][];
    return gradient[0].flatMap((size, i) => (size > 0 ? [i] : []));
  };
  test('let each position see what they say', () => {
    expect(seenBy(1)).toEqual([0, 1, 2, 3]);
    expect(seenBy(1, causalMask(4))).toEqual([0, 1]);
    expect(seenBy(3, causalMask(4))).toEqual([0, 1, 2, 3]);
    expect(seenBy(1, paddingMask(keys))).toEqual([0, 1, 2]);
    expect(
      seenBy(2, tf.add(paddingMask(tf.tensor2d([0, 1, 1, 1, 1, 1, 1, 1], [2, 4], 'bool')), causalMask(4))),
    ).toEqual([1, 2]);
  });
  test('of all keys give finite numbers', () => {
    const y = attention.apply(x, { mask: paddingMask(tf.zeros([2, 4])) });
    expect(numbers(y).every(Number.isFinite)).toBe(true);
  });
});

describe('a block’s time embedding', () => {
  const time = tf.zeros<tf.Rank.R2>([1, 6]);
  const blocks = { ResnetBlock, ConvNextBlock };
  test.each(['ResnetBlock', 'ConvNextBlock'] as const)(
    'of a %s is given where it is expected, and only there',
    (name) => {
      const told = new blocks[name]({ dim: 8, dimOut: 8, timeEmbDim: 6, rng });
      const untold = new blocks[name]({ dim: 8, dimOut: 8, rng });
      const x = image(1, 2, 2, 8);
      expect(() => told.apply(x)).toThrow(`${name}: expected a time embedding [1, 6], got none`);
      expect(() => told.apply(x, tf.zeros([2, 6]))).toThrow(`${name}: expected a time embedding [1, 6], got [2, 6]`);
      expect(() => untold.apply(x, time)).toThrow(
        `${name}: made without timeEmbDim, so it takes no time embedding, got [1, 6]`,
      );
      expect(told.apply(x, time).shape).toEqual(untold.apply(x).shape);
    },
  );
});

describe('namedParameters', () => {
  const variable = () => tf.variable(tf.zeros([1]));
  test('reaches what is in Maps, by their keys, and in Sets and arrays, by their places', () => {
    const shared = variable();
    const module = {
      blocks: new Map<unknown, unknown>([
        ['down', { weight: shared }],
        [2, variable()],
      ]),
      heads: new Set([variable(), { bias: variable() }, shared]),
      list: [variable()],
    };
    expect([...namedParameters(module).keys()]).toEqual([
      'blocks.down.weight',
      'blocks.2',
      'heads.0',
      'heads.1.bias',
      'list.0',
    ]);
  });
  test('refuses two variables of the same path', () => {
    const module = { table: new Map<unknown, tf.Variable>([['1', variable()], [1, variable()]]) }; // prettier-ignore
    expect(() => namedParameters(module)).toThrow('two parameters have the path table.1');
  });
});

describe('readingOnly', () => {
  const x = tf.tensor2d([1, 2], [1, 2]);
  const reached = tf.variable(tf.tensor2d([1, 2, 3, 4], [2, 2]));
  const hidden = tf.variable(tf.zeros([2]), true, 'shift');
  const unnamed = tf.variable(tf.zeros([2, 1]));

  test('returns what the body does', () => {
    const tensors = tf.memory().numTensors;
    const y = readingOnly([reached], () => tf.matMul(x, reached as tf.Tensor2D));
    expect(numbers(y)).toEqual([7, 10]);
    y.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
  });
  test('names the variables that its body reads besides, and what reads them', () => {
    const body = () =>
      tf.tidy(() => tf.matMul(tf.add(tf.matMul(x, reached as tf.Tensor2D), hidden), unnamed as tf.Tensor2D));
    expect(() => readingOnly([reached], body, 'mine')).toThrow(
      /^mine reads variables that its fields do not reach, .*: "shift" \[2\] \(read by Add\), \[2, 1\] \(read by BatchMatMul\); keep them in its fields .*$/,
    );
    expect(() => readingOnly([reached, hidden, unnamed], body)).not.toThrow();
  });
  test('sees what lies in a list, in a gradient, and within itself', () => {
    const body = () =>
      tf.tidy(() => tf.variableGrads(() => tf.sum<tf.Scalar>(tf.concat([x, tf.reshape(hidden, [1, 2])]))).value);
    expect(() => readingOnly([reached], body)).toThrow('"shift" [2] (read by Reshape)');
    expect(() => readingOnly([], () => readingOnly([hidden], body))).toThrow('"shift" [2] (read by Reshape)');
    expect(() => readingOnly([reached], () => tf.tidy(() => tf.concat([tf.transpose(x), unnamed])))).toThrow(
      '[2, 1] (read by Concat)',
    );
  });
  test('names variables that its body makes', () => {
    let made: tf.Variable | undefined;
    const lazily = () => {
      made ??= tf.variable(tf.ones([2]));
      return tf.tidy(() => tf.add(x, made!));
    };
    expect(() => readingOnly([reached], lazily, 'mine')).toThrow(
      'mine makes variables while it is applied, too late to be trained or saved: [2] (read by Add); make them before, and keep them in its fields',
    );
    made!.dispose();
  });
  test('names them also where reading one ends the body, as where it is compiled; what ended it is the cause', () => {
    const failed = new Error('a variable that is no parameter');
    const body = () => {
      tf.tidy(() => void tf.add(x, hidden));
      throw failed;
    };
    expect(() => readingOnly([reached], body, 'mine')).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^mine reads variables .*"shift" \[2\]/),
        cause: failed,
      }),
    );
    expect(() => readingOnly([hidden], body, 'mine')).toThrow(failed);
  });
  test('leaves tfjs as it was, also where its body throws', () => {
    const before = Object.keys(tf.engine());
    expect(() =>
      readingOnly([], () => {
        throw new Error('nothing fits');
      }),
    ).toThrow('nothing fits');
    expect(Object.keys(tf.engine())).toEqual(before);
  });
});

describe('activations', () => {
  // Exact values: Φ(1) = 0.8413447461, σ(1) = 0.7310585786.
  test('have the exact values and the derivatives of finite differences', () => {
    expect(gelu(tf.scalar(1)).dataSync()[0]).toBeCloseTo(0.8413447461, 6);
    expect(silu(tf.scalar(1)).dataSync()[0]).toBeCloseTo(0.7310585786, 6);
    for (const [f, exact] of [
      [gelu, (x: number) => (x * (1 + erf(x / Math.SQRT2))) / 2],
      [silu, (x: number) => x / (1 + Math.exp(-x))],
      [geluTanh, (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))],
      [quickGelu, (x: number) => x / (1 + Math.exp(-1.702 * x))],
    ] as const) {
      const xs = [-4, -1.3, -0.2, 0, 0.7, 2.5];
      const value = numbers(f(tf.tensor1d(xs)));
      xs.forEach((x, i) => expect(value[i]).toBeCloseTo(exact(x), 6));
      const derivative = numbers(tf.grad((x) => f(x))(tf.tensor1d(xs)));
      xs.forEach((x, i) => expect(derivative[i]).toBeCloseTo((exact(x + 1e-5) - exact(x - 1e-5)) / 2e-5, 5));
    }
  });
  /** The error function by its Taylor series, which converges for every x. */
  function erf(x: number): number {
    let term = x;
    let sum = x;
    for (let n = 1; n < 100; n++) sum += (term *= (-x * x) / n) / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
});

describe('initialisation', () => {
  test('is U(±1/√fan_in), as in PyTorch', () => {
    for (const [{ weight, bias }, fanIn] of [
      [new Linear({ inFeatures: 40, outFeatures: 50, rng }), 40],
      [new Conv2d({ inChannels: 9, outChannels: 30, kernelSize: 3, rng }), 81],
      [new ConvTranspose2d({ inChannels: 30, outChannels: 6, kernelSize: 4, rng }), 96],
      [new DepthwiseConv2d({ channels: 60, kernelSize: 7, rng }), 49],
    ] as const) {
      const bound = 1 / Math.sqrt(fanIn);
      for (const values of [numbers(weight), numbers(bias!)])
        expect(Math.max(...values.map(Math.abs))).toBeLessThan(bound);
      const values = numbers(weight);
      expect(Math.max(...values)).toBeGreaterThan(0.99 * bound);
      const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
      expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 0);
    }
  });
  test.each<[string, (init: Init) => { weight: tf.Variable; bias?: tf.Variable }, number]>([
    ['Linear', (init) => new Linear({ inFeatures: 40, outFeatures: 60, init, rng }), 100],
    ['Conv2d', (init) => new Conv2d({ inChannels: 8, outChannels: 12, kernelSize: 5, init, rng }), 500],
  ])('of a %s is what init says, with a bias of 0', (_, make, fans) => {
    const [zero, normal, xavier] = [zeroInit, normalInit(0.02), xavierInit].map(make);
    for (const { bias } of [zero, normal, xavier]) expect(numbers(bias!).every((value) => value === 0)).toBe(true);
    expect(numbers(zero.weight).every((value) => value === 0)).toBe(true);
    const deviation = (values: number[]) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    // Of 2,400 numbers, the deviation is known to 1/√4800 = 1.4%.
    expect(Math.abs(deviation(numbers(normal.weight)) / 0.02 - 1)).toBeLessThan(0.06);
    const bound = Math.sqrt(6 / fans);
    expect(Math.max(...numbers(xavier.weight).map(Math.abs))).toBeLessThan(bound);
    expect(Math.max(...numbers(xavier.weight).map(Math.abs))).toBeGreaterThan(0.99 * bound);
  });
  test('of a MultiHeadAttention may make its output begin at 0', () => {
    const attention = new MultiHeadAttention({ dim: 6, heads: 2, outInit: zeroInit, rng });
    expect(numbers(attention.apply(tf.randomNormal([2, 3, 6]))).every((value) => value === 0)).toBe(true);
    expect(numbers(attention.toV.weight).every((value) => value !== 0)).toBe(true);
    expect(numbers(attention.toV.bias!).every((value) => value !== 0)).toBe(true);
  });
  test('of an Embedding is N(0, 1), or what init says', () => {
    const values = numbers(new Embedding({ numEmbeddings: 50, embeddingDim: 40, rng }).weight);
    expect(Math.abs(values.reduce((sum, v) => sum + v * v, 0) / 2000 - 1)).toBeLessThan(0.13); // four times √(2/2000)
    expect(numbers(new Embedding({ numEmbeddings: 3, embeddingDim: 2, init: zeroInit, rng }).weight)).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
  });
  test('depends on the generator alone', () => {
    const make = (seed: number) => numbers(new Linear({ inFeatures: 3, outFeatures: 3, rng: new Random(seed) }).weight);
    expect(make(1)).toEqual(make(1));
    expect(make(1)).not.toEqual(make(2));
  });
});

describe('parameters', () => {
  const block = () => new ResnetBlock({ dim: 4, dimOut: 8, timeEmbDim: 6, rng });
  test('are named by their path and counted', () => {
    const module = block();
    expect([...namedParameters(module).keys()]).toEqual([
      ...['mlp.weight', 'mlp.bias', 'block1.proj.weight', 'block1.proj.bias', 'block1.norm.weight', 'block1.norm.bias'],
      ...[
        'block2.proj.weight',
        'block2.proj.bias',
        'block2.norm.weight',
        'block2.norm.bias',
        'resConv.weight',
        'resConv.bias',
      ],
    ]);
    expect(parameterCount(module)).toBe(6 * 8 + 8 + (9 * 4 * 8 + 24) + (9 * 8 * 8 + 24) + (4 * 8 + 8));
  });
  test('shared variables appear once; cycles, tensors and data are passed over', () => {
    const shared = tf.variable(tf.scalar(1));
    const module: Record<string, unknown> = {
      a: [shared],
      b: { shared },
      tensor: tf.scalar(2),
      data: new Float32Array(3),
      f: () => 1,
      nothing: null,
    };
    module.self = module;
    expect([...namedParameters(module).keys()]).toEqual(['a.0']);
  });
  test('travel from one module to another, without leaving tensors', async () => {
    const [from, to] = [block(), block()];
    const before = tf.memory().numTensors;
    const values = await parameterValues(from);
    loadParameters(to, values);
    expect(await parameterValues(to)).toEqual(values);
    expect(tf.memory().numTensors).toBe(before);
    disposeParameters(from);
    disposeParameters(to);
    expect(tf.memory().numTensors).toBe(before - 24);
  });
  test('one error lists all that is wrong, and nothing changes', async () => {
    const module = new Linear({ inFeatures: 2, outFeatures: 3, rng });
    const before = await parameterValues(module);
    const load = (entries: [string, { shape: number[]; data: Float32Array }][]) => () =>
      loadParameters(module, new Map(entries));
    expect(
      load([
        ['weight', { shape: [3, 2], data: new Float32Array(6) }],
        ['scale', { shape: [1], data: new Float32Array(1) }],
      ]),
    ).toThrow('loadParameters: weight should have shape [2, 3], not [3, 2]; bias is missing; scale is unexpected');
    const ints = Int32Array.of(1, 2, 3) as unknown as Float32Array;
    expect(
      load([
        ['weight', { shape: [2, 3], data: new Float32Array(5) }],
        ['bias', { shape: [3], data: ints }],
      ]),
    ).toThrow('loadParameters: weight should have 6 elements, not 5; bias is not float32');
    expect(() => loadTorchTensors(module, new Map())).toThrow('loadTorchTensors: weight is missing; bias is missing');
    expect(await parameterValues(module)).toEqual(before);
  });
});

describe('PyTorch’s layout', () => {
  /** A user's own: fields whose names mean nothing to us, and a weight that PyTorch would have the other way round. */
  class Own {
    static readonly torchAxes: TorchAxes = { turned: [1, 2, 0] };
    readonly turned = tf.variable(tf.tensor3d([0, 1, 2, 3, 4, 5], [1, 2, 3]));
    readonly norm1 = tf.variable(tf.tensor2d([0, 1, 2, 3], [2, 2]));
    readonly conv1 = new Conv2d({ inChannels: 2, outChannels: 3, kernelSize: 5, rng });
    readonly mlp = [new Linear({ inFeatures: 2, outFeatures: 3, rng })];
    readonly dsConv = new ConvTranspose2d({ inChannels: 2, outChannels: 3, kernelSize: 4, rng });
    readonly filters = new DepthwiseConv2d({ channels: 2, kernelSize: 3, rng });
  }

  test('is what each class says, under the fields’ names', async () => {
    const tensors = await toTorchTensors(new Own());
    expect([...tensors].map(([name, { shape }]) => `${name} ${shape.join('×')}`)).toEqual([
      ...['turned 2×3×1', 'norm1 2×2', 'conv1.weight 3×2×5×5', 'conv1.bias 3', 'mlp.0.weight 3×2', 'mlp.0.bias 3'],
      ...['dsConv.weight 2×3×4×4', 'dsConv.bias 3', 'filters.weight 2×1×3×3', 'filters.bias 2'],
    ]);
    expect([...tensors.get('norm1')!.data]).toEqual([0, 1, 2, 3]);
  });

  test('comes back to the bit, under names of one’s own', async () => {
    const [from, to] = [new Own(), new Own()];
    const nameOf = (path: string) => `model.${path.replace('mlp.0', 'fc')}`;
    const tensors = await toTorchTensors(from, nameOf);
    expect([...tensors.keys()]).toContain('model.fc.weight');
    loadTorchTensors(to, tensors, nameOf);
    expect(await parameterValues(to)).toEqual(await parameterValues(from));
    expect(() => loadTorchTensors(to, tensors)).toThrow('turned is missing');
  });
});

describe('names what is wrong', () => {
  test.each<[() => unknown, string]>([
    [() => new GroupNorm({ groups: 8, channels: 28 }), 'GroupNorm: channels (28) must be a multiple of groups (8)'],
    [() => new ResnetBlock({ dim: 4, dimOut: 12, rng }), 'ResnetBlock: dimOut (12) must be a multiple of groups (8)'],
    [() => new Block({ dim: 4, dimOut: 12, rng }), 'Block: dimOut (12) must be a multiple of groups (8)'],
    [
      () => new ConvNextBlock({ dim: 4, dimOut: 3, mult: 1.5, rng }),
      'ConvNextBlock: dimOut·mult must be a whole number of at least 1, got 4.5',
    ],
    [() => new Downsample({ dim: 0, rng }), 'Downsample: dim must be a whole number of at least 1, got 0'],
    [
      () => new PreNorm({ dim: 0, fn: { apply: (x) => x } }),
      'PreNorm: dim must be a whole number of at least 1, got 0',
    ],
    [() => new LayerNorm({ features: 0 }), 'LayerNorm: features must be a whole number of at least 1, got 0'],
    [
      () => new Embedding({ numEmbeddings: 0, embeddingDim: 1, rng }),
      'Embedding: numEmbeddings must be a whole number of at least 1, got 0',
    ],
    [
      () => new MultiHeadAttention({ dim: 6, heads: 4, rng }),
      'MultiHeadAttention: dim (6) must be a multiple of heads (4)',
    ],
    [
      () => new MultiHeadAttention({ dim: 6, heads: 4, dimHead: 0, rng }),
      'MultiHeadAttention: dimHead must be a whole number of at least 1, got 0',
    ],
    [() => causalMask(0), 'causalMask: length must be a whole number of at least 1, got 0'],
    [
      () => sinusoidalEmbedding(tf.zeros([1]), { dim: 2, endpoint: true }),
      'sinusoidalEmbedding: dim must be an even number of at least 4, got 2',
    ],
    [
      () => sinusoidalEmbedding(tf.zeros([1]), { dim: 7 }),
      'sinusoidalEmbedding: dim must be an even number of at least 2, got 7',
    ],
    [
      () => new Conv2d({ inChannels: 0, outChannels: 1, kernelSize: 3, rng }),
      'Conv2d: inChannels must be a whole number of at least 1, got 0',
    ],
    [
      () => new Linear({ inFeatures: 2, outFeatures: 2.5, rng }),
      'Linear: outFeatures must be a whole number of at least 1, got 2.5',
    ],
    [() => new Attention({ dim: 4, heads: 0, rng }), 'Attention: heads must be a whole number of at least 1, got 0'],
    [
      () => new Linear({ inFeatures: 2, outFeatures: 3, rng }).apply(tf.zeros([4, 3])),
      'Linear: expected a tensor [..., 2], got [4, 3]',
    ],
    [
      () => new Linear({ inFeatures: 2, outFeatures: 3, rng }).apply(tf.scalar(2)),
      'Linear: expected a tensor [..., 2], got []',
    ],
    [() => new LayerNorm({ features: 2 }).apply(tf.zeros([2, 3])), 'LayerNorm: expected a tensor [..., 2], got [2, 3]'],
    [
      () => new Embedding({ numEmbeddings: 3, embeddingDim: 2, rng }).apply(tf.zeros([2])),
      'Embedding: ids must be int32, got float32',
    ],
    [
      () => sinusoidalEmbedding(tf.zeros([4, 1]) as never, { dim: 8 }),
      'sinusoidalEmbedding: expected t as a tensor [n], got [4, 1]',
    ],
    [() => paddingMask(tf.zeros([4]) as never), 'paddingMask: expected a tensor [n, keys], got [4]'],
  ])('%#', (wrong, message) => expect(wrong).toThrow(message));

  // Each of these is made of others, and speaks itself.
  test.each<[string, { apply(x: tf.Tensor4D): tf.Tensor4D }]>([
    ['Conv2d', new Conv2d({ inChannels: 8, outChannels: 8, kernelSize: 1, rng })],
    ['ConvTranspose2d', new ConvTranspose2d({ inChannels: 8, outChannels: 8, kernelSize: 1, rng })],
    ['DepthwiseConv2d', new DepthwiseConv2d({ channels: 8, kernelSize: 1, rng })],
    ['GroupNorm', new GroupNorm({ groups: 1, channels: 8 })],
    ['Downsample', new Downsample({ dim: 8, rng })],
    ['Upsample', new Upsample({ dim: 8, rng })],
    ['Block', new Block({ dim: 8, dimOut: 8, rng })],
    ['ResnetBlock', new ResnetBlock({ dim: 8, dimOut: 8, rng })],
    ['ConvNextBlock', new ConvNextBlock({ dim: 8, dimOut: 8, rng })],
    ['Attention', new Attention({ dim: 8, rng })],
    ['LinearAttention', new LinearAttention({ dim: 8, rng })],
    ['PreNorm', new PreNorm({ dim: 8, fn: new Conv2d({ inChannels: 8, outChannels: 8, kernelSize: 1, rng }) })],
  ])('%s, of images of other channels', (name, layer) => {
    expect(() => layer.apply(image(1, 4, 4, 3))).toThrow(`${name}: expected a tensor [n, h, w, 8], got [1, 4, 4, 3]`);
    expect(() => layer.apply(tf.zeros([4, 4, 8]) as never)).toThrow(
      `${name}: expected a tensor [n, h, w, 8], got [4, 4, 8]`,
    );
  });

  test('MultiHeadAttention, of its inputs', () => {
    const attention = new MultiHeadAttention({ dim: 4, heads: 2, contextDim: 3, rng });
    const [x, context] = [tf.zeros<tf.Rank.R3>([2, 5, 4]), tf.zeros<tf.Rank.R3>([2, 6, 3])];
    const masked = (mask: tf.Tensor) => () => attention.apply(x, { context, mask });
    expect(() => attention.apply(tf.zeros([2, 5, 3]))).toThrow(
      'MultiHeadAttention: expected a tensor [n, queries, 4], got [2, 5, 3]',
    );
    expect(() => attention.apply(x)).toThrow('MultiHeadAttention: expected a context [2, keys, 3], got [2, 5, 4]');
    expect(() => attention.apply(x, { context: tf.zeros([1, 6, 3]) })).toThrow(
      'expected a context [2, keys, 3], got [1, 6, 3]',
    );
    expect(masked(causalMask(5))).toThrow('MultiHeadAttention: a mask must broadcast to [2, 2, 5, 6], got [5, 5]');
    expect(masked(tf.zeros([1, 2, 2, 5, 6]))).toThrow('a mask must broadcast to [2, 2, 5, 6], got [1, 2, 2, 5, 6]');
    expect(masked(tf.ones([5, 6], 'bool'))).toThrow(
      'MultiHeadAttention: a mask is added to the scores, so it must be float32, got bool',
    );
    expect(masked(tf.zeros([5, 6]))().shape).toEqual([2, 5, 4]);
  });
});
