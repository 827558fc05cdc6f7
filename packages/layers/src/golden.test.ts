import { readFileSync } from 'node:fs';
import { Random } from '@ddpm/random';
import { readSafetensors } from '@ddpm/safetensors';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import {
  Attention,
  averagePool,
  Block,
  Conv1d,
  Conv2d,
  ConvNextBlock,
  disposeParameters,
  Downsample,
  GroupNorm,
  LinearAttention,
  loadTorchTensors,
  namedParameters,
  pixelShuffle,
  pixelUnshuffle,
  PreNorm,
  Residual,
  ResnetBlock,
  sinusoidalEmbedding,
  torchAxes,
  Upsample,
  upsampleNearest,
} from './index';
import type { TensorValues } from './index';
import type { Module } from '../test/sequences';
import { sequences } from '../test/sequences';

// Inputs, parameters, outputs and gradients of the tutorial's own layers, and of PyTorch's (test/images.py, test/sequences.py), run in
// float64 by PyTorch: images are NCHW there, and the parameters in PyTorch's layout, under the names of our fields.
const golden = new Map(
  ['golden', 'images', 'sequences'].flatMap((file) => [
    ...(readSafetensors(readFileSync(`test/${file}.safetensors`)).tensors as unknown as Map<string, TensorValues>),
  ]),
);
const rng = new Random(1);

const cases: Record<string, () => unknown> = {
  sinusoidal: () => ({ apply: (t: tf.Tensor1D) => sinusoidalEmbedding(t, { dim: 28, endpoint: true }) }),
  downsample: () => new Downsample({ dim: 8, rng }),
  upsample: () => new Upsample({ dim: 8, rng }),
  block: () => new Block({ dim: 6, dimOut: 16, rng }),
  resnet: () => new ResnetBlock({ dim: 6, dimOut: 16, timeEmbDim: 32, rng }),
  resnet_no_time: () => new ResnetBlock({ dim: 16, dimOut: 16, rng }),
  convnext: () => new ConvNextBlock({ dim: 6, dimOut: 10, timeEmbDim: 32, rng }),
  convnext_same: () => new ConvNextBlock({ dim: 6, dimOut: 6, timeEmbDim: 32, mult: 3, rng }),
  convnext_no_norm: () => new ConvNextBlock({ dim: 6, dimOut: 10, norm: false, rng }),
  attention: () => new Attention({ dim: 12, heads: 2, dimHead: 8, rng }),
  linear_attention: () => new LinearAttention({ dim: 12, heads: 2, dimHead: 8, rng }),
  residual_prenorm: () => new Residual({ fn: new PreNorm({ dim: 12, fn: new LinearAttention({ dim: 12, rng }) }) }),
  pixel_unshuffle: () => ({ apply: (x: tf.Tensor4D) => pixelUnshuffle(x, 2) }),
  pixel_shuffle: () => ({ apply: (x: tf.Tensor4D) => pixelShuffle(x, 2) }),
  upsample_nearest: () => ({ apply: upsampleNearest }),
  average_pool: () => ({ apply: averagePool }),
  conv_padded_behind: () =>
    new Conv2d({ inChannels: 3, outChannels: 5, kernelSize: 3, stride: 2, padding: [0, 1], rng }),
  conv1d_1: () => new Conv1d({ inChannels: 3, outChannels: 5, rng }),
  conv1d_3: () => new Conv1d({ inChannels: 3, outChannels: 5, kernelSize: 3, padding: 1, rng }),
  group_norm_adaptive: () => {
    const norm = new GroupNorm({ groups: 2, channels: 6 });
    const { weight, bias } = norm;
    return {
      weight,
      bias,
      apply: (x: tf.Tensor4D, scale: tf.Tensor2D, shift: tf.Tensor2D) => norm.apply(x, { scale, shift }),
    };
  },
  ...sequences,
};

const toNhwc = (x: tf.Tensor) => (x.rank === 4 ? tf.transpose(x, [0, 2, 3, 1]) : x);

function goldenTensor(name: string): tf.Tensor {
  const { shape, data } = golden.get(name)!;
  return tf.tensor(data, [...shape], (data as unknown) instanceof Int32Array ? 'int32' : 'float32');
}

/** max |actual − expected| relative to max |expected|. */
function relativeError(actual: tf.Tensor, expected: tf.Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  return tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(actual, expected))), tf.max(tf.abs(expected))).dataSync()[0]);
}

test('every case of the golden files is covered', () => {
  expect(new Set([...golden.keys()].map((name) => name.split('/')[0]))).toEqual(new Set(Object.keys(cases)));
});

describe.each(Object.keys(cases))('%s', (name) => {
  test('agrees with PyTorch forward and in every gradient to 1e-4, and leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const module = cases[name]() as Module;
    const part = (prefix: string) =>
      new Map(
        [...golden]
          .filter(([key]) => key.startsWith(`${name}/${prefix}/`))
          .map(([key, value]) => [key.slice(name.length + prefix.length + 2), value]),
      );
    loadTorchTensors(module, part('param'));
    const parameters = namedParameters(module);
    const axes = torchAxes(module);

    tf.tidy(() => {
      const inputs = [0, 1, 2]
        .filter((i) => golden.has(`${name}/input.${i}`))
        .map((i) => toNhwc(goldenTensor(`${name}/input.${i}`)));
      const cotangent = toNhwc(goldenTensor(`${name}/cotangent`));

      const loaded = tf.memory().numTensors;
      const output = module.apply(...inputs);
      expect(tf.memory().numTensors).toBe(loaded + 1);
      expect(relativeError(output, toNhwc(goldenTensor(`${name}/output`)))).toBeLessThan(1e-5);

      const scalar = () => tf.sum<tf.Scalar>(tf.mul(module.apply(...inputs), cotangent));
      if (parameters.size > 0) {
        const { grads } = tf.variableGrads(scalar, [...parameters.values()]);
        for (const [path, variable] of parameters) {
          const expected = goldenTensor(`${name}/grad/${path}`);
          // A bias of the keys moves all scores of a query alike, so that its gradient is nothing but rounding.
          if (path.endsWith('toK.bias')) expect(tf.max(tf.abs(grads[variable.name])).dataSync()[0]).toBeLessThan(1e-5);
          else expect(relativeError(tf.transpose(grads[variable.name], axes.get(path)), expected)).toBeLessThan(1e-4);
        }
      }
      const floats = inputs.filter(({ dtype }) => dtype === 'float32');
      if (floats.length > 0) {
        // The float inputs come before the others.
        const others = inputs.slice(floats.length);
        const inputGradients = tf.grads((...xs: tf.Tensor[]) =>
          tf.sum(tf.mul(module.apply(...xs, ...others), cotangent)),
        )(floats);
        inputGradients.forEach((gradient, i) => {
          expect(relativeError(gradient, toNhwc(goldenTensor(`${name}/grad_input.${i}`)))).toBeLessThan(1e-4);
        });
      }
    });
    disposeParameters(module);
    expect(tf.memory().numTensors).toBe(before);
  });
});
