import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sample } from '@ddpm/diffusion';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { readTorchFile, stateDict } from '@ddpm/torch-file';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { isPipelineFolder, loadPipeline, readPipelineFolder, schedulerFromConfig } from '../index';

/**
 * A tiny model with attention's names of before 2023 (query, key, value, proj_attn), as diffusers 0.42.1 opens it: y =
 * unet(x, t) and the end of `DDIMScheduler()` in 10 steps from x, [2, 3, 16, 16].
 */
const folder = 'test/golden/legacy-names';
const { tensors: io } = readSafetensors(readFileSync(join(folder, 'io.safetensors')));
/** Of channels first: [2, 3, 16, 16] → [2, 16, 16, 3]. */
const images = (name: string) =>
  tf.transpose(tf.tensor4d(io.get(name)!.data as Float32Array, [2, 3, 16, 16]), [0, 2, 3, 1]);
const difference = (ours: tf.Tensor, name: string) =>
  tf.tidy(() => {
    const theirs = tf.slice(images(name), 0, ours.shape[0]);
    return tf.div(tf.max(tf.abs(tf.sub(ours, theirs))), tf.max(tf.abs(theirs))).dataSync()[0];
  });

let scratch: string;
beforeAll(() => void (scratch = mkdtempSync(join(tmpdir(), 'ddpm-legacy-'))));
afterAll(() => rmSync(scratch, { recursive: true }));

test('ten steps of DDIM, by a model alone, end where they do in diffusers', async () => {
  const { unet, scheduler, dispose } = await loadPipeline(folder);
  const { sampler, denoise } = schedulerFromConfig({ ...scheduler, _class_name: 'DDIMScheduler' }, { steps: 10 });
  const xT = tf.slice(images('x'), 0, 1);
  const x0 = await sample(denoise(unet), xT, { sampler, rng: { normals: () => new Float32Array() } });
  expect(difference(x0, 'ddim10')).toBeLessThan(1e-4);
  await dispose();
});

test('attention’s old names are known in safetensors too', async () => {
  const { tensors } = stateDict(readTorchFile(readFileSync(join(folder, 'diffusion_pytorch_model.bin'))));
  expect([...tensors.keys()]).toContain('mid_block.attentions.0.proj_attn.weight');
  copyFileSync(join(folder, 'config.json'), join(scratch, 'config.json'));
  const file = writeSafetensors(tensors);
  writeFileSync(join(scratch, 'diffusion_pytorch_model.safetensors'), file);
  const { unet, dispose } = await loadPipeline(scratch);
  const t = tf.tensor1d(Array.from(io.get('t')!.data as BigInt64Array, Number));
  expect(difference(unet.apply(images('x'), t), 'y')).toBeLessThan(1e-5);
  await dispose();
});

test('of a checkpoint of diffusers’ training, the average of the weights is opened', async () => {
  const training = join(scratch, 'checkpoint-500');
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  // As `EMAModel.save_pretrained` writes it.
  const average = {
    ...{ decay: 0.9999, min_decay: 0, optimization_step: 500, update_after_step: 0 },
    ...{ use_ema_warmup: true, inv_gamma: 1, power: 0.75 },
  };
  for (const [part, more] of Object.entries({ unet: {}, unet_ema: average })) {
    mkdirSync(join(training, part), { recursive: true });
    writeFileSync(join(training, part, 'config.json'), JSON.stringify({ ...config, ...more }));
  }
  const weights = 'diffusion_pytorch_model.bin';
  copyFileSync(join(folder, weights), join(training, 'unet_ema', weights));
  expect(isPipelineFolder(training)).toBe(true);
  // unet has no weights here, and nobody asks for them.
  const { unet, notes } = await readPipelineFolder(training);
  expect(unet.config).toEqual(config);
  expect(notes).toEqual(['unet is not used, but unet_ema, the average of its weights']);
});
