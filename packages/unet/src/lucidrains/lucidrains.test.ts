import { readFileSync } from 'node:fs';
import { denoising, epsilon, uniform } from '@ddpm/diffusion';
import { disposeParameters, parameterCount } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { readSafetensors } from '@ddpm/safetensors';
import { linearSchedule } from '@ddpm/schedules';
import { tensors } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { compareWithGolden } from '../../test/lucidrains.mjs';
import * as lucidrains from './index';

const { LucidrainsUnet, lucidrainsOptionsFromTorch, lucidrainsUnetOptions, toLucidrainsStateDict, unetFromLucidrains } =
  lucidrains;

// Made by scripts/compare_lucidrains.py of denoising-diffusion-pytorch 2.3.4, in float64.
const cases: Record<string, lucidrains.LucidrainsOptions> = {
  default: { dim: 4, dim_mults: [1, 2], channels: 2, attn_dim_head: 2, attn_heads: 2, flash_attn: true },
  options: {
    ...{ dim: 4, init_dim: 6, dim_mults: [1, 2], channels: 1, learned_variance: true, learned_sinusoidal_cond: true },
    ...{ learned_sinusoidal_dim: 4, attn_heads: [1, 2], attn_dim_head: [3, 2], full_attn: [true, false] },
  },
};
type Golden = Map<string, { shape: number[]; data: Float32Array }>;
const goldenOf = (name: string) =>
  readSafetensors(readFileSync(`test/lucidrains-${name}.safetensors`)).tensors as unknown as Golden;
const weightsOf = (golden: Golden) =>
  new Map([...golden].flatMap(([name, value]) => (name.startsWith('param/') ? [[name.slice(6), value] as const] : [])));

describe.each(Object.entries(cases))('the U-Net of denoising-diffusion-pytorch, %s', (name, options) => {
  test('computes the same, and the same gradients', () => {
    const before = tf.memory().numTensors;
    const { output, gradients } = compareWithGolden(lucidrains, options, goldenOf(name));
    expect(output).toBeLessThan(1e-5);
    expect(gradients).toBeLessThan(1e-5);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('gives its weights back to the bit, and tells its options by their shapes', async () => {
    const weights = weightsOf(goldenOf(name));
    const unet = unetFromLucidrains(options, weights);
    const back = await toLucidrainsStateDict(unet);
    expect([...back.keys()].sort()).toEqual([...weights.keys()].sort());
    for (const [key, { shape, data }] of back) {
      expect(shape).toEqual(weights.get(key)!.shape);
      expect(data).toEqual(weights.get(key)!.data);
    }
    const again = new LucidrainsUnet(lucidrainsOptionsFromTorch(weights));
    lucidrains.loadLucidrainsStateDict(again, weights);
    const { channels = 3 } = lucidrainsUnetOptions(options);
    const [x, t] = [tf.ones<tf.Rank.R4>([1, 4, 4, channels]), tf.tensor1d([2])];
    expect(again.apply(x, t).dataSync()).toEqual(unet.apply(x, t).dataSync());
    [unet, again].forEach(disposeParameters);
  });
});

test('drops values of each block’s first half in training, and none when it is used', () => {
  const unet = new LucidrainsUnet({
    dim: 4,
    dimMults: [1, 2],
    channels: 1,
    attnHeads: 1,
    attnDimHead: 2,
    dropout: 0.5,
  });
  // Twice each: 4×4 of 4 channels and 2×2 of 4 down, 2×2 of 8 in the middle and up, 4×4 of 4 up; once 4×4 of 4.
  const { item } = unet.trainingInputs([4, 4, 1]).dropout;
  expect(item).toEqual([2 * (64 + 16 + 32 + 32 + 64) + 64]);
  const { parameters } = { parameters: new Map() };
  const task = denoising({ network: unet, parameters, parameterisation: epsilon, levels: uniform(linearSchedule()) });
  const batch = task.draw({ image: { data: new Random(1).normals(32), item: [4, 4, 1] } }, new Random(2));
  expect(new Set(batch.dropout.data)).toEqual(new Set([0, 2]));
  tf.tidy(() => {
    const inputs = tensors(batch);
    const loss = (masks: tf.Tensor) => task.loss({ ...inputs, dropout: masks }).loss.dataSync();
    const kept = tf.onesLike(inputs.dropout);
    expect(loss(inputs.dropout)).not.toEqual(loss(kept));
    const x = tf.ones<tf.Rank.R4>([2, 4, 4, 1]);
    const t = tf.tensor1d([1, 2]);
    expect(unet.apply(x, t, { dropout: kept }).dataSync()).toEqual(unet.apply(x, t).dataSync());
    expect(() => unet.apply(x, t, { dropout: tf.ones([2, 7]) })).toThrow(
      'LucidrainsUnet: expected dropout as [2, 480], got [2, 7]',
    );
  });
  disposeParameters(unet);
});

test('has as many parameters as the original', () => {
  // sum(p.numel() for p in Unet(dim=16, dim_mults=(1, 2), channels=3).parameters())
  const unet = lucidrains.default({ dim: 16, dimMults: [1, 2], channels: 3 });
  expect(parameterCount(unet)).toBe(242003);
  disposeParameters(unet);
});

test('what does not fit is refused in one line', () => {
  expect(() => lucidrainsUnetOptions({ dim: 8, self_condition: true })).toThrow(
    'lucidrainsUnetOptions: a network with self_condition, given its own x̂_0, is not carried',
  );
  expect(() => lucidrainsUnetOptions({ dim: 8, heads: 2 } as never)).toThrow(/and no heads$/);
  expect(lucidrainsUnetOptions({ dim: 8, full_attn: false, init_dim: null, flash_attn: true })).toEqual({ dim: 8 });
  for (const [options, message] of [
    [{ dim: 7 }, "dim must be an even number of at least 4 for the time's sinusoids, got 7"],
    [{ dim: 8, attnHeads: [1, 2, 3] }, 'attnHeads must be one, or one for each of 4 levels, got 3'],
    [{ dim: 8, dropout: 1 }, 'dropout must be a number from 0 to below 1, got 1'],
    [{ dim: 8, dimMults: [] }, 'dimMults must name a level at least, got none'],
  ] as const)
    expect(() => new LucidrainsUnet(options)).toThrow(`LucidrainsUnet: ${message}`);
  const weights = weightsOf(goldenOf('default'));
  expect(() => unetFromLucidrains(cases.default, new Map([...weights].slice(1)))).toThrow(
    'loadTorchTensors: downs.0.0.block1.norm.g is missing',
  );
  expect(() => lucidrainsOptionsFromTorch(new Map())).toThrow(
    "this is no state_dict of denoising-diffusion-pytorch's U-Net: time_mlp.1.weight is missing",
  );
  const unet = unetFromLucidrains(cases.default, weights);
  expect(() => unet.apply(tf.ones([1, 5, 4, 2]), tf.tensor1d([1]))).toThrow(
    'LucidrainsUnet: height and width must be multiples of 2, since 2 levels halve them; got 5×4',
  );
  disposeParameters(unet);
});
