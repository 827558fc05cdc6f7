import { namedParameters } from '@ddpm/layers';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderOptions } from './index';
import createNetwork, {
  autoencoderFromConfig,
  AutoencoderKl,
  samplePosterior,
  straightThrough,
  VectorQuantizer,
} from './index';
import { Random } from '@ddpm/random';

const small = { imageChannels: 2, blockOutChannels: [4, 8], normNumGroups: 2 };

test.each<AutoencoderOptions>([
  { kind: 'kl', ...small, latentChannels: 3 },
  { kind: 'vq', ...small, latentChannels: 3, numVqEmbeddings: 5 },
  {
    kind: 'tiny',
    imageChannels: 2,
    latentChannels: 3,
    width: 4,
    numEncoderBlocks: [1, 1],
    numDecoderBlocks: [1, 1],
    pool: true,
  },
])('$kind: latents are smaller by the factor, every parameter is found, and no tensor is left behind', (options) => {
  const autoencoder = createNetwork(options);
  expect([autoencoder.factor, autoencoder.latentChannels, autoencoder.imageChannels]).toEqual([2, 3, 2]);
  const x = tf.randomNormal<tf.Rank.R4>([2, 4, 6, 2], 0, 1, 'float32', 1);
  const before = tf.memory().numTensors;
  const latents = autoencoder.encode(x);
  const images = autoencoder.decode(latents);
  expect([latents.shape, images.shape]).toEqual([
    [2, 2, 3, 3],
    [2, 4, 6, 2],
  ]);
  expect(tf.memory().numTensors).toBe(before + 2);
  expect(() => autoencoder.encode(tf.zeros([1, 5, 4, 2]))).toThrow('height and width must be multiples of 2, got 5×4');
  expect(() => autoencoder.encode(tf.zeros([1, 4, 4, 3]))).toThrow('expected images [n, h, w, 2], got [1, 4, 4, 3]');
  expect(() => autoencoder.decode(tf.zeros([1, 4, 4, 2]))).toThrow('expected latents [n, h, w, 3], got [1, 4, 4, 2]');
  // The same seed makes the same network.
  const values = (network: object) => [...namedParameters(network).values()].map((variable) => variable.dataSync());
  expect(values(createNetwork(options))).toEqual(values(autoencoder));
  expect(values(createNetwork({ ...options, seed: 1 }))).not.toEqual(values(autoencoder));
});

test('latents drawn from a posterior have its mean and variance', () => {
  const posterior = { mean: tf.fill([1, 1, 1, 2], 3), logVariance: tf.fill([1, 1, 1, 2], Math.log(4)) } as const;
  const z = samplePosterior(posterior as never, tf.tensor4d([1, -0.5], [1, 1, 1, 2])).dataSync();
  expect(z[0]).toBeCloseTo(3 + 2);
  expect(z[1]).toBeCloseTo(3 - 1);
});

describe('quantising', () => {
  const quantizer = new VectorQuantizer({ codes: 3, channels: 2, rng: new Random(1) });
  quantizer.embedding.weight.assign(tf.tensor2d([0, 0, 1, 1, 4, 0], [3, 2]));
  const z = tf.tensor4d([0.4, 0.4, 0.6, 0.6, 3, -1, 2.4, 0.4], [1, 2, 2, 2]);

  test('takes the nearest code', () => {
    const indices = quantizer.indices(z);
    expect(indices.arraySync()).toEqual([
      [
        [0, 1],
        [2, 1],
      ],
    ]);
    expect([...quantizer.lookUp(indices).dataSync()]).toEqual([0, 0, 1, 1, 4, 0, 1, 1]);
  });

  test('has the gradient of the latents, as if it did nothing', () => {
    const weights = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]);
    const f = (x: tf.Tensor) =>
      tf.sum(tf.mul(weights, straightThrough(x, quantizer.lookUp(quantizer.indices(x as tf.Tensor4D)))));
    expect([...tf.grad(f)(z).dataSync()]).toEqual([...weights.dataSync()]);
    expect(f(z).dataSync()[0]).toBe(1 * 3 + 1 * 4 + 4 * 5 + 1 * 7 + 1 * 8);
  });
});

test.each<[string, object]>([
  ['normNumGroups (3) must divide all of blockOutChannels, but not so 4, 8', { normNumGroups: 3 }],
  ['blockOutChannels must name at least one level', { blockOutChannels: [] }],
  ['layersPerBlock must be a whole number of at least 1, got 0', { layersPerBlock: 0 }],
  ['there is no option widths', { widths: [4] }],
])('refuses: %s', (message, options) => {
  expect(() => new AutoencoderKl({ ...small, ...options })).toThrow(`AutoencoderKl: ${message}`);
});

test('refuses kinds and configs that are not built here', () => {
  expect(() => createNetwork({ kind: 'vae' } as never)).toThrow('kind must be one of kl, vq, tiny, got "vae"');
  expect(() => createNetwork({ kind: 'tiny', numEncoderBlocks: [1] })).toThrow(
    '(1) and numDecoderBlocks (3, 3, 3, 1) must',
  );
  const config = { _class_name: 'AutoencoderKL', _diffusers_version: '0.42.1', block_out_channels: [32] };
  expect(autoencoderFromConfig(config)).toMatchObject({ factor: 1, latentChannels: 4, scalingFactor: 0.18215 });
  const wrong: [object, string][] = [
    [
      { _class_name: 'UNet2DModel' },
      '_class_name must be one of AutoencoderKL, VQModel, AutoencoderTiny, got "UNet2DModel"',
    ],
    [{ act_fn: 'gelu' }, 'AutoencoderKL: act_fn must be "silu", got "gelu"'],
    [
      { down_block_types: ['AttnDownEncoderBlock2D'] },
      'AutoencoderKL: down_block_types must be ["DownEncoderBlock2D"], got ["Attn',
    ],
    [{ latents_mean: [0] }, 'AutoencoderKL: latents_mean must be null, got [0]'],
    [{ temporal: true }, 'AutoencoderKL: unknown temporal'],
  ];
  for (const [change, message] of wrong) expect(() => autoencoderFromConfig({ ...config, ...change })).toThrow(message);
  const tiny = { _class_name: 'AutoencoderTiny', encoder_block_out_channels: [64, 64, 64, 64], latent_channels: 16 };
  expect(autoencoderFromConfig(tiny)).toMatchObject({ factor: 8, latentChannels: 16, scalingFactor: 1 });
  expect(() => autoencoderFromConfig({ ...tiny, encoder_block_out_channels: [32, 64, 64, 64] })).toThrow(
    'must be [64,64,64,64], got [32,64',
  );
});
