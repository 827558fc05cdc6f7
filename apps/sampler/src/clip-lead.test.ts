import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '@ddpm/checkpoint';
import { writeCheckpoint } from '@ddpm/checkpoint';
import type { Network } from '@ddpm/diffusion';
import { image as predictsImage, levelAt } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { parameterValues } from '@ddpm/layers';
import { clipMeaningToJson, draw, scheduleLevels } from '@ddpm/models';
import { cosineSchedule } from '@ddpm/schedules';
import { createClip, trainWords } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { leadByClip, openClipLead } from './clip-lead';
import { settingsFrom } from './options';
import { planFor } from './plan';

const folder = mkdtempSync(join(tmpdir(), 'ddpm-clip-lead-'));
afterAll(() => rmSync(folder, { recursive: true }));

const image = [4, 4, 1] as const;
const schedule = cosineSchedule({ timesteps: 50 });
const tokenizer = trainWords(['dark', 'light'], { size: 8, length: 2 });
const captions = { length: 2, tokenizer: tokenizer.json as JsonObject };
const options = {
  ...{ imageSize: 4, channels: 1, patchSize: 2, vocabularySize: tokenizer.vocabularySize, length: 2 },
  ...{ width: 8, layers: 1, heads: 2, features: 6 },
};
const clip = createClip({ ...options, noised: true });
/** E[x_0 | x] where every pixel is N(0, 0.25), whatever the words. */
const best: Network = {
  conditions: ['tokens'],
  apply(x, t) {
    const gains = Array.from(t.dataSync(), (time) => {
      const { signal, sigma } = levelAt(schedule, time);
      return (signal * 0.25) / (signal ** 2 * 0.25 + sigma ** 2);
    });
    return tf.mul(x, tf.tensor4d(gains, [gains.length, 1, 1, 1]));
  },
};
const denoiser = {
  ...{ network: best, parameters: new Map(), image, parameterisation: predictsImage, levels: scheduleLevels(schedule) },
  captions: { ...captions, dropout: 0 },
};

const write = async (path: string, { timesteps = 50, noised = true }) => {
  mkdirSync(join(folder, path));
  const levels = noised ? scheduleLevels(cosineSchedule({ timesteps })) : undefined;
  await writeCheckpoint(join(folder, path, 'checkpoint.safetensors'), {
    ...{ step: 1, settings: {}, state: new Map() },
    weights: await parameterValues({ clip: noised ? clip : createClip(options) }),
    networks: { clip: { name: '@ddpm/text', options: { ...options, ...(noised && { noised }) } } },
    meaning: clipMeaningToJson({ image, captions, levels }),
  });
};
beforeAll(async () => {
  await write('noised', {});
  await write('other', { timesteps: 9 });
  await write('clean', { noised: false });
});

test('leads each image to its own caption', async () => {
  const settings = settingsFrom({ clipGuidance: join(folder, 'noised'), count: 4, sampler: 'ancestral', clip: false });
  const words = ['light', 'dark'];
  const opened = await openClipLead({ denoiser }, settings);
  const plan = await planFor({ denoiser }, settings, words);
  const { way, chosen } = plan.way();
  const execution = await prepareExecution('cpu');
  const text = tf.tidy(() => {
    const tokens = words.flatMap((word) => [...tokenizer.encode(word)]);
    return clip.encodeText(tf.tensor2d([...tokens, ...tokens], [4, 2], 'int32'));
  });
  const scores = async (clipScale: number) => {
    const named = { captions: plan.captions, chain: chosen.chain, clipScale };
    const { lead, record, dispose } = await leadByClip(opened!, execution, way, named);
    expect(record).toEqual({ clipScale });
    // Captions are those of the images in each batch.
    const values = await draw({ ...plan.options, network: best, ...way, lead, batch: 3 });
    await dispose();
    return tf.tidy(() => {
      const x = tf.tensor4d(values, [4, ...image]);
      return [...tf.sum(tf.mul(clip.encodeImage(x, tf.zeros([4])), text), 1).dataSync()];
    });
  };
  const [alone, led] = [await scores(0), await scores(20)];
  led.forEach((score, i) => expect(score).toBeGreaterThan(alone[i] + 0.05));
});

test.each<[string, Readonly<Record<string, unknown>>]>([
  ['--clip-scale is for --clip-guidance', { clipScale: 2 }],
  ['--clip-guidance and --classifier exclude each other', { clipGuidance: 'noised', classifier: 'x' }],
  ['--clip-guidance and --compare exclude each other', { clipGuidance: 'noised', compare: ['all'] }],
  ['other was trained at other noise levels than the model', { clipGuidance: 'other' }],
  ['it is a CLIP of images without noise; --noised trains one that guides', { clipGuidance: 'clean' }],
  ['nowhere cannot be used: there is no such file or folder', { clipGuidance: 'nowhere' }],
])('refuses in one line: %s', async (message, { clipGuidance, ...given }) => {
  const path = typeof clipGuidance === 'string' ? { clipGuidance: join(folder, clipGuidance) } : {};
  await expect(openClipLead({ denoiser }, settingsFrom({ ...given, ...path }))).rejects.toThrow(message);
});

test('leads no model that draws without words', async () => {
  const settings = settingsFrom({ clipGuidance: join(folder, 'noised') });
  await expect(
    openClipLead({ denoiser: { ...denoiser, network: { ...best, conditions: [] } } }, settings),
  ).rejects.toThrow('--clip-guidance leads a model that draws images from words, and this one does not');
});
