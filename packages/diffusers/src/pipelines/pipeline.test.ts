import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sample } from '@ddpm/diffusion';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { loadPipeline, readPipelineFolder, savePipeline, schedulerFromConfig } from '../index';
import { pythonJson, readJson } from './json';

/**
 * Folders as `save_pretrained` of diffusers 0.42.1 writes them, of tiny networks with random weights: a pipeline with
 * the options of google/ddpm-*, and a model with attention's names of before 2023. With what goes in and comes out:
 * y = unet(x, t), [2, 3, 16, 16], and DDIM from x.
 */
const ddpm = 'test/golden/ddpm';
const legacy = 'test/golden/legacy-names';
const io = (folder: string) => readSafetensors(readFileSync(join(folder, 'io.safetensors'))).tensors;

/** All of a folder's weights, by name. */
const weightsIn = async (folder: string) =>
  new Map(
    [...(await readPipelineFolder(folder)).unet.tensors].map(([name, one]) => [
      name,
      { shape: one.shape, data: one.read() },
    ]),
  );

let scratch: string;
beforeAll(() => void (scratch = mkdtempSync(join(tmpdir(), 'ddpm-diffusers-'))));
afterAll(() => rmSync(scratch, { recursive: true }));

const numbers = (data: ArrayLike<number | bigint>) => Float32Array.from(data as ArrayLike<number>, Number);
/** Of channels first: [2, 3, 16, 16] → [2, 16, 16, 3]. */
const images = (data: ArrayLike<number | bigint>) =>
  tf.transpose(tf.tensor4d(numbers(data), [2, 3, 16, 16]), [0, 2, 3, 1]);
const difference = (ours: tf.Tensor4D, theirs: ArrayLike<number | bigint>) =>
  tf.tidy(() => {
    const expected = images(theirs);
    return tf.div(tf.max(tf.abs(tf.sub(ours, expected))), tf.max(tf.abs(expected))).dataSync()[0];
  });

test.each([
  ['a DDPM pipeline', ddpm],
  ['a model alone, as .bin, with the old names', legacy],
] as const)('%s computes what it does in diffusers', async (_, folder) => {
  const pipeline = await loadPipeline(folder);
  const { x, t, y } = Object.fromEntries(io(folder));
  const output = pipeline.unet.apply(images(x.data), tf.tensor1d(numbers(t.data)));
  expect(difference(output, y.data)).toBeLessThan(1e-5);
  await pipeline.dispose();
});

test('six steps of DDIM end where they do in diffusers', async () => {
  const pipeline = await loadPipeline(ddpm);
  const { x, ddim6 } = Object.fromEntries(io(ddpm));
  const asked = { ...pipeline.scheduler, _class_name: 'DDIMScheduler' };
  const { sampler, denoise } = schedulerFromConfig(asked, { steps: 6 });
  const rng = { normals: () => new Float32Array() };
  const x0 = await sample(denoise(pipeline.unet), images(x.data), { sampler, rng });
  expect(difference(x0, ddim6.data.subarray(ddim6.data.length - x0.size))).toBeLessThan(1e-4);
  await pipeline.dispose();
});

test('images depend on the seed and their number alone', async () => {
  const pipeline = await loadPipeline(ddpm);
  const options = { seed: 7, steps: 2, size: [4, 4] as const, scheduler: { _class_name: 'DDIMScheduler' } };
  const before = tf.memory().numTensors;
  const [three, second] = [
    await pipeline.sample({ ...options, count: 3, batch: 2 }),
    await pipeline.sample({ ...options, count: 2 }),
  ];
  expect(tf.memory().numTensors).toBe(before);
  expect(pipeline.image).toEqual([16, 16, 3]);
  expect(three).toHaveLength(3 * 48);
  expect(three.slice(48, 2 * 48)).toEqual(second.slice(48));
  await pipeline.dispose();
});

test('weights in parts are those in one file', async () => {
  const folder = join(scratch, 'parts');
  cpSync(join(ddpm, 'unet'), folder, { recursive: true });
  const whole = await weightsIn(folder);
  const file = join(folder, 'diffusion_pytorch_model.safetensors');
  const entries = [...readSafetensors(readFileSync(file)).tensors];
  const names = [
    'diffusion_pytorch_model-00001-of-00002.safetensors',
    'diffusion_pytorch_model-00002-of-00002.safetensors',
  ];
  const parts = [entries.slice(0, 9), entries.slice(9)];
  parts.forEach((part, i) => writeFileSync(join(folder, names[i]), writeSafetensors(new Map(part))));
  rmSync(file);
  const places = Object.fromEntries(parts.flatMap((part, i) => part.map(([name]) => [name, names[i]])));
  const index = `${file}.index.json`;
  writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: places }));
  expect(await weightsIn(folder)).toEqual(whole);

  writeFileSync(index, JSON.stringify({ weight_map: { ...places, 'a.weight': names[0] } }));
  await expect(readPipelineFolder(folder)).rejects.toThrow(`looks for a.weight in ${names[0]}, which has it not`);
  writeFileSync(index, JSON.stringify({ weight_map: { a: '../elsewhere.safetensors' } }));
  await expect(readPipelineFolder(folder)).rejects.toThrow(
    'names a part that lies elsewhere: "../elsewhere.safetensors"',
  );
});

test('what is saved opens again, to the bit', async () => {
  const [pipeline, folder] = [await loadPipeline(ddpm), join(scratch, 'saved')];
  await savePipeline(folder, pipeline);
  const [before, after] = [await readPipelineFolder(ddpm), await readPipelineFolder(folder)];
  expect(await weightsIn(folder)).toEqual(await weightsIn(ddpm));
  expect(after.unet.config).toEqual(before.unet.config);
  expect(after.scheduler).toEqual(before.scheduler);
  expect(await readJson(join(folder, 'model_index.json'))).toEqual(await readJson(join(ddpm, 'model_index.json')));
  await expect(savePipeline(folder, pipeline)).rejects.toThrow('it holds files already');
  await expect(
    savePipeline(join(scratch, 'other'), { ...pipeline, scheduler: { _class_name: 'LCMScheduler' } }),
  ).rejects.toThrow('pipelines of pixels are written with DDPMScheduler or DDIMScheduler, not LCMScheduler');
  expect(existsSync(join(scratch, 'other'))).toBe(false);
  await pipeline.dispose();
});

test('all files may lie in one folder, as those of the first pipelines do', async () => {
  const folder = join(scratch, 'flat');
  cpSync(ddpm, folder, { recursive: true });
  for (const part of ['unet', 'scheduler']) {
    cpSync(join(folder, part), folder, { recursive: true });
    rmSync(join(folder, part), { recursive: true });
  }
  const { scheduler, unet } = await readPipelineFolder(folder);
  expect(scheduler).toHaveProperty('_class_name', 'DDPMScheduler');
  const weights = new Map([...unet.tensors].map(([name, one]) => [name, { shape: one.shape, data: one.read() }]));
  expect(weights.size).toBeGreaterThan(0);
  const [plain, half] = ['', '.fp16'].map((variant) => join(folder, `diffusion_pytorch_model${variant}.safetensors`));
  renameSync(plain, half);
  expect(await weightsIn(folder)).toEqual(weights);
});

test('what is wrong is named in a line', async () => {
  const folder = join(scratch, 'wrong');
  const wrong = async (message: string) => expect(loadPipeline(folder)).rejects.toThrow(message);
  mkdirSync(folder);
  await wrong('holds nothing of diffusers: there is no model_index.json, unet/config.json or config.json');
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  write('config.json', '{');
  await wrong('config.json is no JSON');
  write('config.json', '[]');
  await wrong('config.json should hold an object, and holds []');
  write('config.json', '{"_class_name": "UNet2DModel"}');
  await wrong('has no weights: there is no diffusion_pytorch_model.safetensors, nor .bin, nor an index of parts');
  write('diffusion_pytorch_model.bin', 'version https://git-lfs.github.com/spec/v1');
  await wrong('diffusion_pytorch_model.bin cannot be used: ');
  write('diffusion_pytorch_model.safetensors', '');
  await wrong('diffusion_pytorch_model.safetensors cannot be used: ');
  write('model_index.json', '{"_class_name": "StableDiffusionXLPipeline"}');
  await wrong('is of a "StableDiffusionXLPipeline", which is not carried, but DDPMPipeline');
  write('model_index.json', '{"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}');
  await wrong(`has for its unet ["diffusers","UNet2DConditionModel"], not diffusers' UNet2DModel`);
});

test('Python’s infinite numbers are read and written', async () => {
  const path = join(scratch, 'infinite.json');
  const value = { lambda_min_clipped: -Infinity, s_tmax: Infinity, note: '-Infinity, "NaN"' };
  writeFileSync(path, pythonJson(value));
  expect(readFileSync(path, 'utf8')).toContain('"lambda_min_clipped": -Infinity,');
  expect(await readJson(path)).toEqual(value);
});
