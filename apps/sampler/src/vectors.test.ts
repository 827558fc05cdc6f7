import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '@ddpm/checkpoint';
import { writeCheckpoint } from '@ddpm/checkpoint';
import type { Network } from '@ddpm/diffusion';
import { image as predictsImage, levelAt } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import { parameterValues } from '@ddpm/layers';
import type { Model } from '@ddpm/models';
import { diffusionPriorMeaningToJson, draw, scheduleLevels } from '@ddpm/models';
import { cosineSchedule } from '@ddpm/schedules';
import { createClip, DiffusionPrior, trainWords } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, test } from '@jest/globals';
import { settingsFrom } from './options';
import { planFor } from './plan';
import type { VectorsOfWords } from './words';
import { vectorsOfWords } from './words';

const folder = mkdtempSync(join(tmpdir(), 'ddpm-vectors-'));
afterAll(() => rmSync(folder, { recursive: true }));

const features = 4;
const image = [4, 4, 1] as const;
const size = 16;
const schedule = cosineSchedule({ timesteps: 500 });
const levels = scheduleLevels(schedule);
const tokenizer = trainWords(['dark', 'light'], { size: 8, length: 2 });
const captions = { length: 2, tokenizer: tokenizer.json as JsonObject };
const clipOptions = {
  ...{ imageSize: 4, channels: 1, patchSize: 2, vocabularySize: tokenizer.vocabularySize, length: 2 },
  ...{ width: 4, layers: 1, heads: 1, features },
};
const clip = createClip(clipOptions);

/** The mean of what a vector is of, in every pixel. */
const meanOf = (vector: ArrayLike<number>) => 0.1 * vector[0] - 0.2 * vector[3];
/** E[x_0 | x] where every pixel is N(mean of the vector, 0.25). */
const best: Network = {
  conditions: ['imageEmbedding'],
  apply(x, t, condition) {
    const column = (values: number[]) => tf.tensor4d(values, [values.length, 1, 1, 1]);
    const each = Array.from(t.dataSync(), (time) => levelAt(schedule, time));
    const vectors = condition!.imageEmbedding.arraySync() as number[][];
    const [m, s] = [column(vectors.map(meanOf)), column(each.map(({ signal }) => signal))];
    const gain = column(each.map(({ signal, sigma }) => (signal * 0.25) / (signal ** 2 * 0.25 + sigma ** 2)));
    return tf.add(m, tf.mul(gain, tf.sub(x, tf.mul(s, m))));
  },
};
const model: Model = {
  ...{ kind: 'checkpoint', folder, description: '', unusable: [], trained: {} },
  denoiser: {
    ...{ network: best, parameters: new Map(), image, parameterisation: predictsImage, levels, encoder: clip },
    clip: { features, dropout: 0, image, captions },
  },
};

const asked = { sampler: 'ddim', steps: 200, clip: false };
type Given = Readonly<Record<string, unknown>>;
const planOf = (settings: Given, words: readonly string[] = [], ofWords?: VectorsOfWords) =>
  planFor(model, settingsFrom({ ...asked, ...settings }), words, undefined, { ofWords });
async function drawnOf(...given: Parameters<typeof planOf>) {
  const plan = await planOf(...given);
  const values = await draw({ ...plan.options, network: best, ...plan.way().way });
  const rows = (data: ArrayLike<number>, each: number) =>
    Array.from({ length: plan.count }, (_, i) => Array.from(data).slice(i * each, (i + 1) * each));
  return { plan, images: rows(values, size), vectors: rows(plan.options.condition!.imageEmbedding.data, features) };
}

const picture = (name: string, of: (i: number) => number) => {
  const data = Uint8Array.from({ length: size }, (_, i) => of(i));
  writeFileSync(join(folder, name), encodePng({ width: 4, height: 4, channels: 1, data }));
  return { path: join(folder, name), pixels: Array.from(data, (byte) => byte / 127.5 - 1) };
};
const [a, b] = [picture('a.png', (i) => 15 * i), picture('b.png', (i) => 255 - 40 * (i % 4))];
const vectorOf = (pixels: number[]) =>
  tf.tidy(() => [...tf.mul(clip.encodeImage(tf.tensor4d(pixels, [1, ...image])), Math.sqrt(features)).dataSync()]);
const furthest = (values: readonly number[], expected: readonly number[]) =>
  values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
const angle = (x: readonly number[], y: readonly number[]) => Math.acos(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)));

describe('a picture', () => {
  test('has variations of its vector, each of noise of its own', async () => {
    const { images, vectors } = await drawnOf({ from: a.path, count: 2 });
    for (const vector of vectors) expect(furthest(vector, vectorOf(a.pixels))).toBeLessThan(1e-6);
    expect(images[0]).not.toEqual(images[1]);
  });

  test('and another have between them the arc of their vectors, of one noise', async () => {
    const { images, vectors, plan } = await drawnOf({ interpolate: [a.path, b.path], count: 3 });
    const [from, to] = [a, b].map(({ pixels }) => vectorOf(pixels));
    expect(furthest(vectors[0], from)).toBeLessThan(1e-6);
    expect(furthest(vectors[2], to)).toBeLessThan(1e-6);
    expect(angle(vectors[1], from)).toBeCloseTo(angle(from, to) / 2, 5);
    // What differs is the mean that the vectors are of.
    const moved = images[0].map((value) => value + meanOf(to) - meanOf(from));
    expect(furthest(images[2], moved)).toBeLessThan(1e-3);
    expect(plan.columns).toBe(3);
  });

  test('is turned towards the difference of two captions, from the noise that it is made of', async () => {
    const { images, vectors, plan } = await drawnOf({ from: a.path, insteadOf: 'dark', turn: 0.4, count: 3 }, [
      'light',
    ]);
    const own = vectorOf(a.pixels);
    const difference = tf.tidy(() => {
      const tokens = tf.tensor2d(
        ['light', 'dark'].flatMap((word) => [...tokenizer.encode(word)]),
        [2, 2],
        'int32',
      );
      const [light, dark] = tf.split(clip.encodeText(tokens), 2);
      return [...tf.sub(light, dark).dataSync()];
    });
    expect(furthest(vectors[0], own)).toBeLessThan(1e-6);
    for (const [i, vector] of vectors.entries()) {
      expect(Math.sqrt(dot(vector, vector))).toBeCloseTo(Math.sqrt(features), 5);
      expect(angle(vector, own)).toBeCloseTo(0.2 * i * angle(own, difference), 4);
      expect(angle(vector, difference)).toBeCloseTo((1 - 0.2 * i) * angle(own, difference), 4);
    }
    // The first is the picture, and the others what it would be if its mean were that of their vectors.
    for (const [i, drawn] of images.entries()) {
      const expected = a.pixels.map((value) => value + meanOf(vectors[i]) - meanOf(own));
      expect(furthest(drawn, expected)).toBeLessThan(0.03);
    }
    expect([plan.columns, plan.record.insteadOf, plan.record.turn]).toEqual([3, 'dark', 0.4]);
    const single = await planOf({ from: a.path, insteadOf: 'dark', turn: 0.4, count: 1 }, ['light']);
    expect(furthest([...single.options.condition!.imageEmbedding.data], vectors[2])).toBeLessThan(1e-6);
  });
});

describe('words', () => {
  const prior = new DiffusionPrior({ features, vocabularySize: 6, length: 2, width: 4, layers: 1, heads: 1 });
  const write = async (path: string, encoder = clip) => {
    mkdirSync(join(folder, path), { recursive: true });
    await writeCheckpoint(join(folder, path, 'checkpoint.safetensors'), {
      ...{ step: 7, settings: {}, state: new Map(), weights: await parameterValues({ prior, clip: encoder }) },
      networks: {
        prior: {
          name: '@ddpm/text/diffusion-prior',
          options: { features, vocabularySize: 6, length: 2, width: 4, layers: 1, heads: 1 },
        },
        clip: { name: '@ddpm/text', options: clipOptions },
      },
      meaning: diffusionPriorMeaningToJson({ features, image, captions: { ...captions, dropout: 0 }, levels }),
    });
  };
  const lines: string[] = [];
  const of = async (settings: Given, words: readonly string[]) => {
    const execution = await prepareExecution('cpu');
    const given = settingsFrom({ ...asked, ...settings });
    return planOf(
      settings,
      words,
      vectorsOfWords(model, given, execution, (line) => lines.push(line)),
    );
  };

  test('are drawn by the prior in the folder, again by the same seed, or by CLIP alone', async () => {
    await expect(of({ count: 2 }, ['dark'])).rejects.toThrow(
      'this model draws words by a diffusion prior: name its run by --diffusion-prior',
    );
    await write('prior');
    const vectors = async (settings: Given) => {
      const plan = await of({ count: 3, ...settings }, ['dark', 'light']);
      return { plan, data: [...plan.options.condition!.imageEmbedding.data] };
    };
    const { plan, data } = await vectors({ seed: 5 });
    expect(plan.captions).toEqual(['dark', 'light', 'dark']);
    expect(plan.record).toMatchObject({
      captions: ['dark', 'light'],
      diffusionPrior: '@ddpm/text/diffusion-prior after 7 steps',
    });
    expect(lines).toEqual(['Prior: @ddpm/text/diffusion-prior after 7 steps']);
    expect((await vectors({ seed: 5, diffusionPrior: join(folder, 'prior') })).data).toEqual(data);
    expect((await vectors({ seed: 6 })).data).not.toEqual(data);
    for (let i = 0; i < 3; i++)
      expect(dot(data.slice(4 * i, 4 * i + 4), data.slice(4 * i, 4 * i + 4))).toBeCloseTo(features, 4);

    const own = await vectors({ diffusionPrior: 'none' });
    const text = tf.tidy(() => {
      const tokens = tf.tensor2d(
        ['dark', 'light', 'dark'].flatMap((word) => [...tokenizer.encode(word)]),
        [3, 2],
        'int32',
      );
      return [...tf.mul(clip.encodeText(tokens), Math.sqrt(features)).dataSync()];
    });
    expect(furthest(own.data, text)).toBeLessThan(1e-5);
    expect(own.plan.record.diffusionPrior).toBe("CLIP's own vectors of captions");
    await expect(vectors({ priorGuidance: 2 })).rejects.toThrow(
      '--prior-guidance needs a prior that was trained to do without captions (--caption-dropout)',
    );
  });

  test('are refused where the prior is of another CLIP, or is none', async () => {
    await write('other', createClip({ ...clipOptions, seed: 1 }));
    await expect(of({ diffusionPrior: join(folder, 'other') }, ['dark'])).rejects.toThrow(
      `${join(folder, 'other')} cannot be used: it makes the vectors of another CLIP than the decoder's`,
    );
    await expect(of({ diffusionPrior: join(folder, 'a.png') }, ['dark'])).rejects.toThrow(/a\.png cannot be used: /);
  });
});

test.each<[string, Given, string[]]>([
  ["this model draws from CLIP's vectors: say what is to be seen, if it has a prior", {}, []],
  ['--strength is not for a model', { from: a.path, strength: 0.5 }, []],
  ['--interpolate names its own pictures', { from: a.path, interpolate: [a.path, b.path] }, []],
  ["--interpolate goes from picture to picture; it was asked for 'dark'", { interpolate: [a.path, b.path] }, ['dark']],
  ['--interpolate needs a --count of at least 2', { interpolate: [a.path, b.path], count: 1 }, []],
  ['a picture is changed towards one caption, and 2 were given', { from: a.path }, ['dark', 'light']],
  ["'dark' is no other caption than that of --instead-of", { from: a.path, insteadOf: 'dark' }, ['dark']],
  ['--turn is for --from with a caption', { from: a.path, turn: 0.3 }, []],
  ['--diffusion-prior is for words that are drawn without a picture', { from: a.path, diffusionPrior: 'x' }, []],
  ['(--vector-dropout), and guidance needs that', { from: a.path, guidance: 2 }, []],
])('refuses in one line: %s', async (message, settings, words) => {
  await expect(planOf(settings, words)).rejects.toThrow(message);
});

test('refuses a sampler that draws noise on a way from a picture, and what is a decoder’s of another model', async () => {
  const plan = await planOf({ from: a.path, sampler: 'ancestral', steps: 5 }, ['dark']);
  expect(() => plan.way()).toThrow('which a sampler that draws more (ancestral) does not');
  const { clip: _, ...denoiser } = model.denoiser;
  await expect(planFor({ denoiser }, settingsFrom({ turn: 0.3 }))).rejects.toThrow(
    "--turn is for a decoder of CLIP's vectors, and this is none",
  );
});
