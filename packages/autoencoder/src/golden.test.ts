import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TensorValues } from '@ddpm/layers';
import { disposeParameters, namedParameters } from '@ddpm/layers';
import { prepareExecution } from '@ddpm/execution';
import { readSafetensors } from '@ddpm/safetensors';
import { readTorchFile, stateDict } from '@ddpm/torch-file';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderKl, AutoencoderVq } from './index';
import { autoencoderFromConfig, autoencoderFromTaesd, autoencoderStateDict, loadAutoencoder } from './index';

// test/kl and test/vq are tiny models with random weights, made and run by diffusers 0.42.1. test/taesd is a real
// pretrained autoencoder (taef2 of https://github.com/madebyollin/taesd; its licence lies beside it), run by PyTorch.
type Tensors = ReadonlyMap<string, TensorValues>;
const safetensors = (...path: string[]) => readSafetensors(readFileSync(join('test', ...path))).tensors as Tensors;
const pth = (...path: string[]) => stateDict(readTorchFile(readFileSync(join('test', ...path)))).tensors as Tensors;

function fromFolder(folder: string) {
  const config = JSON.parse(readFileSync(join('test', folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  const autoencoder = autoencoderFromConfig(config);
  loadAutoencoder(autoencoder, safetensors(folder, 'diffusion_pytorch_model.safetensors'));
  return { autoencoder, io: safetensors(folder, 'io.safetensors') };
}

/** PyTorch's images are NCHW. */
const images = (tensors: Tensors, name: string): tf.Tensor4D => {
  const { shape, data } = tensors.get(name)!;
  return tf.transpose(tf.tensor4d(data, shape as [number, number, number, number]), [0, 2, 3, 1]);
};
/** The largest difference, relative to the largest value. */
const relativeError = (found: tf.Tensor, expected: tf.Tensor): number => {
  tf.util.assertShapesMatch(found.shape, expected.shape);
  return tf.div(tf.max(tf.abs(tf.sub(found, expected))), tf.max(tf.abs(expected))).dataSync()[0];
};

test("a KL autoencoder of diffusers' gives its mean, log-variance and image", () => {
  const { autoencoder, io } = fromFolder('kl');
  expect(autoencoder).toMatchObject({ latentChannels: 4, factor: 2, scalingFactor: 0.18215, shiftFactor: 0 });
  tf.tidy(() => {
    const { mean, logVariance } = (autoencoder as AutoencoderKl).posterior(images(io, 'image'));
    expect(relativeError(mean, images(io, 'vaeMean'))).toBeLessThan(1e-5);
    expect(relativeError(logVariance, images(io, 'vaeLogVariance'))).toBeLessThan(1e-5);
    expect(relativeError(autoencoder.encode(images(io, 'image')), images(io, 'vaeMean'))).toBeLessThan(1e-5);
    expect(relativeError(autoencoder.decode(images(io, 'vaeMean')), images(io, 'decoded'))).toBeLessThan(1e-5);
  });
});

test("a VQ autoencoder of diffusers' gives its latents, and its image of the nearest codes", () => {
  const { autoencoder, io } = fromFolder('vq');
  tf.tidy(() => {
    expect(relativeError(autoencoder.encode(images(io, 'image')), images(io, 'latents'))).toBeLessThan(1e-5);
    expect(relativeError(autoencoder.decode(images(io, 'latents')), images(io, 'decoded'))).toBeLessThan(1e-5);
    const { quantize } = autoencoder as AutoencoderVq;
    // Not all the same code.
    expect(new Set(quantize.indices(images(io, 'latents')).dataSync()).size).toBeGreaterThan(1);
  });
});

test('a pretrained TAESD gives its latents and images, compiled', async () => {
  const autoencoder = autoencoderFromTaesd(pth('taesd', 'taef2_encoder.pth'), pth('taesd', 'taef2_decoder.pth'));
  expect(autoencoder).toMatchObject({ imageChannels: 3, latentChannels: 32, factor: 8 });
  const io = safetensors('taesd', 'io.safetensors');
  const [image01, latents, decoded] = ['image01', 'latents', 'decoded'].map((name) => images(io, name));
  const execution = await prepareExecution('compiled');
  const encode = await execution.compile((x: tf.Tensor4D) => autoencoder.encode(x), [image01]);
  const decode = await execution.compile((z: tf.Tensor4D) => autoencoder.decode(z), [latents]);
  // Its images are from 0 to 1.
  expect(relativeError(await encode(tf.sub(tf.mul(image01, 2), 1)), latents)).toBeLessThan(1e-4);
  expect(relativeError(tf.div(tf.add(await decode(latents), 1), 2), decoded)).toBeLessThan(1e-4);
  await Promise.all([encode.dispose(), decode.dispose()]);
  disposeParameters(autoencoder);
});

test("weights go back to diffusers' names to the bit, and older names are known", async () => {
  const { autoencoder } = fromFolder('kl');
  const weights = safetensors('kl', 'diffusion_pytorch_model.safetensors');
  const back = await autoencoderStateDict(autoencoder);
  expect(new Map([...back].sort())).toEqual(
    new Map([...weights].sort().map(([name, { shape, data }]) => [name, { shape, data }])),
  );
  const older = [...weights].map(([name, { shape, data }]) => {
    const matrix = /\.to_(q|k|v|out\.0)\.weight$/.test(name);
    const renamed = name
      .replace('to_out.0', 'proj_attn')
      .replace(/to_([qkv])\b/, (_, letter: 'q' | 'k' | 'v') => ({ q: 'query', k: 'key', v: 'value' })[letter]);
    return [renamed, { shape: matrix ? [...shape, 1, 1] : shape, data }] as const;
  });
  expect(older.some(([name]) => name.endsWith('.proj_attn.weight'))).toBe(true);
  for (const variable of namedParameters(autoencoder).values()) tf.tidy(() => variable.assign(tf.zerosLike(variable)));
  loadAutoencoder(autoencoder, new Map(older));
  expect(await autoencoderStateDict(autoencoder)).toEqual(back);
});
