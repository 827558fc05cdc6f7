import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AutoencoderKl } from '@ddpm/autoencoder';
import { prepareExecution } from '@ddpm/execution';
import { readSafetensors } from '@ddpm/safetensors';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Pipeline } from '../index';
import { loadPipeline, readPipelineFolder, savePipeline } from '../index';
import { readJson } from './json';

// Tiny pipelines with random weights, as save_pretrained of diffusers 0.42.1 writes them, and what they give:
// test/golden/README.md.
const tensors = (folder: string) =>
  readSafetensors(readFileSync(join('test/golden', folder, 'io.safetensors'))).tensors;
/** Of channels first. */
const images = (io: ReturnType<typeof tensors>, name: string) => {
  const { data, shape } = io.get(name)!;
  return tf.transpose(
    tf.tensor4d(Float32Array.from(data as Float32Array), shape as [number, number, number, number]),
    [0, 2, 3, 1],
  );
};
const time = (io: ReturnType<typeof tensors>, name: string) => tf.tensor1d([Number(io.get(name)!.data[0])]);
const difference = (ours: tf.Tensor, theirs: tf.Tensor) => tf.max(tf.abs(tf.sub(ours, theirs))).dataSync()[0];

let scratch: string;
beforeAll(() => void (scratch = mkdtempSync(join(tmpdir(), 'ddpm-latents-'))));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('Stable Diffusion', () => {
  const io = tensors('stable-diffusion');
  const prompt = 'red apple, blue cat';
  const asked = { prompt, steps: 6, guidanceScale: 5 };
  // Compiled, which is faster even where images are as small.
  let pipeline: Pipeline;
  beforeEach(async () => {
    const execution = await prepareExecution('compiled');
    pipeline = await loadPipeline('test/golden/stable-diffusion', { execution });
  });

  /** Of [0, 1], as diffusers gives them. */
  const compared = (values: Float32Array, name: string) => {
    const expected = io.get(name)!.data as Float32Array;
    return Math.max(...values.map((value, i) => Math.abs((value + 1) / 2 - expected[i])));
  };

  test("each part gives what diffusers' does", async () => {
    const context = await pipeline.text!.embed([prompt]);
    const embeddings = io.get('embeddings')!;
    expect(difference(context, tf.tensor(embeddings.data as Float32Array, [...embeddings.shape]))).toBeLessThan(1e-5);
    const output = pipeline.unet.apply(images(io, 'latents'), time(io, 'unetT'), { context });
    expect(difference(output, images(io, 'unetOut'))).toBeLessThan(1e-5);
    const autoencoder = pipeline.latents!.autoencoder as AutoencoderKl;
    const { mean, logVariance } = autoencoder.posterior(images(io, 'image'));
    expect(difference(mean, images(io, 'vaeMean'))).toBeLessThan(1e-5);
    expect(difference(logVariance, images(io, 'vaeLogVariance'))).toBeLessThan(1e-4);
    expect(difference(autoencoder.decode(mean), images(io, 'decoded'))).toBeLessThan(1e-4);
  });

  test.each([
    ['its own scheduler, PNDM', undefined, 'imageOfOwnScheduler6Guidance5'],
    ['another, by its name', 'DDIMScheduler', 'imageOfDdim6Guidance5'],
    ['another, by its config', { _class_name: 'DDIMScheduler', clip_sample: false }, 'imageOfDdim6Guidance5'],
  ])('a guided image of noise that is given is that of diffusers: %s', async (_, scheduler, name) => {
    const before = tf.memory().numTensors;
    const latents = tf.tidy(() => images(io, 'latents').dataSync<'float32'>());
    const values = await pipeline.sample({ ...asked, latents, scheduler });
    expect(values).toHaveLength(16 * 16 * 3);
    expect(compared(values, name)).toBeLessThan(1e-4);
    expect(tf.memory().numTensors).toBe(before);
    await pipeline.dispose();
    expect(tf.memory().numTensors).toBeLessThan(before);
  });

  test('with several prompts and sizes, an image is the same in any batch, and depends on its words', async () => {
    const options = { steps: 2, seed: 3, size: [8, 12] as const, guidanceScale: 3, negativePrompt: 'green' };
    const each = 8 * 12 * 3;
    const prompts = [prompt, 'cat', 'cat'];
    const [together, apart] = [
      await pipeline.sample({ ...options, prompt: prompts }),
      await pipeline.sample({ ...options, prompt: prompts, batch: 1 }),
    ];
    expect(together).toHaveLength(3 * each);
    expect(Math.max(...together.map((value, i) => Math.abs(value - apart[i])))).toBeLessThan(1e-4);
    const second = await pipeline.sample({ ...options, prompt: 'cat', count: 2 });
    const most = (a: Float32Array, b: Float32Array) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
    expect(most(second.slice(each), apart.slice(each, 2 * each))).toBeLessThan(1e-4);
    expect(most(second.slice(0, each), apart.slice(0, each))).toBeGreaterThan(0.01);
    await pipeline.dispose();
  });

  test.each([
    ['this one draws from words; give a prompt', {}],
    ['negativePrompt is for 2 images, and prompt for 1', { prompt: ['a'], negativePrompt: ['b', 'c'] }],
    ['prompt is for 2 images, and count for 3', { prompt: ['a', 'b'], count: 3 }],
    ['multiples of 2, got 15×16', { prompt, size: [15, 16] as const }],
    ['latents should be [n, h, w, 4], not [1, 8, 8, 3]', { prompt, latents: tf.zeros<tf.Rank.R4>([1, 8, 8, 3]) }],
    ['takes no classes', { prompt, label: [1] }],
    ['_class_name must be one of DDPMScheduler', { prompt, scheduler: 'DDIM' }],
  ])('what does not fit is named: %s', async (message, options) => {
    await expect(pipeline.sample(options)).rejects.toThrow(message);
    await pipeline.dispose();
  });

  test('parts that draw nothing are told, and others that are missing or of another class', async () => {
    await pipeline.dispose();
    const folder = join(scratch, 'changed');
    cpSync('test/golden/stable-diffusion', folder, { recursive: true });
    const index = join(folder, 'model_index.json');
    const json = JSON.parse(readFileSync(index, 'utf8')) as Record<string, unknown>;
    const write = (changed: Record<string, unknown>) => writeFileSync(index, JSON.stringify({ ...json, ...changed }));
    write({ safety_checker: ['stable_diffusion', 'StableDiffusionSafetyChecker'] });
    const { notes, dispose } = await loadPipeline(folder);
    expect(notes).toEqual(['safety_checker is not used: nothing looks at the images before you do']);
    await dispose();
    const wrong = async (message: string) => expect(loadPipeline(folder)).rejects.toThrow(message);
    write({ text_encoder_2: ['transformers', 'CLIPTextModel'] });
    await wrong('has a part that is not carried: text_encoder_2, ["transformers","CLIPTextModel"]');
    write({ text_encoder: ['transformers', 'T5EncoderModel'] });
    await wrong(`has for its text_encoder ["transformers","T5EncoderModel"], not transformers' CLIPTextModel`);
    write({});
    for (const name of ['tokenizer.json', 'merges.txt']) rmSync(join(folder, 'tokenizer', name));
    await wrong('tokenizer has no tokenizer: there is no tokenizer.json, nor vocab.json and merges.txt');
    cpSync('test/golden/stable-diffusion/tokenizer', join(folder, 'tokenizer'), { recursive: true });
    const config = join(folder, 'unet', 'config.json');
    const unet = JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
    writeFileSync(config, JSON.stringify({ ...unet, time_cond_proj_dim: 8 }));
    await wrong('time_cond_proj_dim 8 is not carried');
    writeFileSync(config, JSON.stringify(unet));
    rmSync(join(folder, 'text_encoder', 'model.safetensors'));
    await wrong('there is no model.safetensors, nor pytorch_model.bin');
  });
});

describe('latent diffusion without words', () => {
  test("each part gives what diffusers' does, and images come of its latents", async () => {
    const io = tensors('ldm');
    const pipeline = await loadPipeline('test/golden/ldm');
    expect(difference(pipeline.unet.apply(images(io, 'x'), time(io, 't')), images(io, 'y'))).toBeLessThan(1e-5);
    const { autoencoder } = pipeline.latents!;
    expect(difference(autoencoder.decode(images(io, 'latents')), images(io, 'decoded'))).toBeLessThan(1e-4);
    expect(pipeline.image).toEqual([16, 16, 3]);
    expect(await pipeline.sample({ steps: 1, count: 2, size: [8, 8] })).toHaveLength(2 * 8 * 8 * 3);
    await expect(pipeline.sample({ prompt: 'cat' })).rejects.toThrow('draws from no words, so it takes no prompt');
    await pipeline.dispose();
  });
});

test.each(['stable-diffusion', 'ldm'])(
  "a saved pipeline (%s) has diffusers' files, to the bit of its weights",
  async (name) => {
    const from = join('test/golden', name);
    const folder = join(scratch, `saved-${name}`);
    const pipeline = await loadPipeline(from);
    await savePipeline(folder, pipeline);
    await pipeline.dispose();
    const read = async (place: string) => {
      const { unet, autoencoder, text } = await readPipelineFolder(place);
      // Some versions of transformers leave out the beginning of text encoders' names.
      const values = (weights: typeof unet.tensors) =>
        Object.fromEntries(
          [...weights].map(([key, one]) => [
            key.replace(/^text_model\./, ''),
            createHash('sha256').update(one.read()).digest('hex'),
          ]),
        );
      return {
        unet: { ...unet.config, weights: values(unet.tensors) },
        autoencoder: { ...autoencoder!.config, weights: values(autoencoder!.tensors) },
        text: text && { ...text.config, tokenizer: text.tokenizer, weights: values(text.tensors) },
        index: await readJson(join(place, 'model_index.json')),
      };
    };
    expect(await read(folder)).toEqual(await read(from));
    // transformers refuses 1 for 1.0.
    if (pipeline.text)
      expect(readFileSync(join(folder, 'text_encoder', 'config.json'), 'utf8')).toContain('"initializer_factor": 1.0,');
    const { unet, config, scheduler, text } = pipeline;
    if (text)
      await expect(savePipeline(join(scratch, 'part'), { unet, config, scheduler, text })).rejects.toThrow(
        'a UNet2DConditionModel is written with an autoencoder and a text encoder alone',
      );
  },
);
