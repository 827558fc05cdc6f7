import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import {
  Attention,
  Block,
  Conv2d,
  ConvNextBlock,
  ConvTranspose2d,
  DepthwiseConv2d,
  disposeParameters,
  Downsample,
  gelu,
  GroupNorm,
  Linear,
  LinearAttention,
  loadParameters,
  loadTorchTensors,
  namedParameters,
  parameterCount,
  parameterValues,
  ResnetBlock,
  silu,
  SinusoidalPositionEmbeddings,
  toTorchTensors,
  Upsample,
} from './index';
import type { TorchAxes } from './index';

const rng = new Random(5);
const image = (...shape: [number, number, number, number]) => tf.tensor4d(rng.normals(tf.util.sizeFromShape(shape)), shape);
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

describe('GroupNorm', () => {
  test('gives every group of every image mean 0 and variance 1', () => {
    const y = new GroupNorm({ groups: 2, channels: 6 }).apply(tf.add(tf.mul(image(3, 4, 4, 6), 5), 7));
    const { mean, variance } = tf.moments(tf.reshape(y, [3, 16, 2, 3]), [1, 3]);
    for (const m of numbers(mean)) expect(Math.abs(m)).toBeLessThan(1e-5);
    for (const v of numbers(variance)) expect(Math.abs(v - 1)).toBeLessThan(1e-4);
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
    ] as const) {
      const xs = [-4, -1.3, -0.2, 0, 0.7, 2.5];
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
      for (const values of [numbers(weight), numbers(bias!)]) expect(Math.max(...values.map(Math.abs))).toBeLessThan(bound);
      const values = numbers(weight);
      expect(Math.max(...values)).toBeGreaterThan(0.99 * bound);
      const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
      expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 0);
    }
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
      ...['block2.proj.weight', 'block2.proj.bias', 'block2.norm.weight', 'block2.norm.bias', 'resConv.weight', 'resConv.bias'],
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
    const load = (entries: [string, { shape: number[]; data: Float32Array }][]) => () => loadParameters(module, new Map(entries));
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
    [() => new ResnetBlock({ dim: 4, dimOut: 12, rng }), 'GroupNorm: channels (12) must be a multiple of groups (8)'],
    [() => new SinusoidalPositionEmbeddings({ dim: 2 }), 'SinusoidalPositionEmbeddings: dim must be an even number of at least 4, got 2'],
    [() => new SinusoidalPositionEmbeddings({ dim: 7 }), 'SinusoidalPositionEmbeddings: dim must be an even number of at least 4, got 7'],
    [
      () => new Conv2d({ inChannels: 0, outChannels: 1, kernelSize: 3, rng }),
      'Conv2d: inChannels must be a whole number of at least 1, got 0',
    ],
    [() => new Linear({ inFeatures: 2, outFeatures: 2.5, rng }), 'Linear: outFeatures must be a whole number of at least 1, got 2.5'],
    [() => new Attention({ dim: 4, heads: 0, rng }), 'Attention: heads must be a whole number of at least 1, got 0'],
    [() => new Block({ dim: 4, dimOut: 8, rng }).apply(image(1, 4, 4, 3)), 'Conv2d: expected a tensor [n, h, w, 4], got [1, 4, 4, 3]'],
    [() => new Linear({ inFeatures: 2, outFeatures: 3, rng }).apply(tf.zeros([4, 3])), 'Linear: expected a tensor [n, 2], got [4, 3]'],
    [() => new SinusoidalPositionEmbeddings({ dim: 8 }).apply(tf.zeros([4, 1]) as never), 'expected t as a tensor [n], got [4, 1]'],
  ])('%#', (wrong, message) => expect(wrong).toThrow(message));
});
