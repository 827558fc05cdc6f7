import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arraysHash } from '@ddpm/app-common';
import { AutoencoderKl } from '@ddpm/autoencoder';
import { image as predictsImage } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import { namedParameters } from '@ddpm/layers';
import type { Model } from '@ddpm/models';
import { captionTokens, draw, meaningFromJson, openModel, pipelineCheckpoint, scheduleLevels } from '@ddpm/models';
import { cosineSchedule } from '@ddpm/schedules';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { checkExportPath, exportModel } from './export';
import { isLatent, latentsOf, openLatentModel } from './latents';
import { settingsFrom } from './options';
import { planFor } from './plan';
import { run } from './run';

// Tiny pipelines with random weights, as diffusers saves them.
const folder = '../../packages/diffusers/test/golden/stable-diffusion';
const unconditional = '../../packages/diffusers/test/golden/ldm';
let scratch: string;
beforeAll(() => void (scratch = mkdtempSync(join(tmpdir(), 'ddpm-latents-'))));
afterAll(() => rmSync(scratch, { recursive: true }));

test("a Stable Diffusion's folder draws from words, around a picture, and only where a mask is white", async () => {
  const pixels = new Uint8Array(16 * 16 * 3).fill(200);
  const halves = Uint8Array.from({ length: 16 * 16 }, (_, i) => (i % 16 < 8 ? 0 : 255));
  const [picture, mask] = [join(scratch, 'picture.png'), join(scratch, 'mask.png')];
  writeFileSync(picture, encodePng({ width: 16, height: 16, channels: 3, data: pixels }));
  writeFileSync(mask, encodePng({ width: 16, height: 16, channels: 1, data: halves }));
  const out = join(scratch, 'out');
  const asked = {
    steps: 2,
    resample: 1,
    negative: 'green',
    from: picture,
    mask,
    out,
    backend: 'compiled',
    format: ['png'],
  };
  await run(folder, settingsFrom(asked), ['red apple', 'blue cat']);
  const record = JSON.parse(readFileSync(join(out, 'samples.json'), 'utf8')) as Record<string, unknown>;
  expect(record).toMatchObject({
    count: 2,
    captions: ['red apple', 'blue cat'],
    guidance: { scale: 7.5, none: 'green' },
  });

  const execution = await prepareExecution('compiled');
  const model = (await openLatentModel(folder, { execution }))!;
  const plan = await planFor(model, settingsFrom({ steps: 2, resample: 1, from: picture, mask }), ['red apple']);
  expect(isLatent(model) && plan.count === 1 && !plan.options.clip).toBe(true);
  // What is kept of the picture are its latents where the mask is black.
  const { way } = plan.way();
  const known = await model.pipeline.latents.encode(tf.fill([1, 16, 16, 3], (200 / 255) * 2 - 1));
  const last = way.sampler.levels.at(-1)!;
  expect(last.sigma).toBeLessThan(0.05);
  expect((await model.pipeline.latents.decode(known)).shape).toEqual([1, 16, 16, 3]);
  known.dispose();
  await model.pipeline.dispose();
});

test('a run over latents goes on from pictures, keeps what a mask says, and lies between two', async () => {
  const options = { imageChannels: 1, blockOutChannels: [2, 2], normNumGroups: 1, latentChannels: 3 };
  const network = new AutoencoderKl({ ...options, midBlockAddAttention: false });
  const model: Model = {
    ...{ kind: 'checkpoint', folder: scratch, description: '', unusable: [], trained: {} },
    denoiser: {
      // Says of any latents that they are of zeros.
      ...{ network: { apply: (x) => tf.zerosLike(x) }, parameters: new Map(), image: [2, 2, 3] },
      ...{ parameterisation: predictsImage, levels: scheduleLevels(cosineSchedule({ timesteps: 20 })) },
      latents: { image: [4, 4, 1], scalingFactor: 2, shiftFactor: 0.1 },
      autoencoder: { network, parameters: namedParameters({ autoencoder: network }) },
    },
  };
  const written = (name: string, data: number[]) => {
    const path = join(scratch, name);
    writeFileSync(path, encodePng({ width: 4, height: 4, channels: 1, data: Uint8Array.from(data) }));
    return path;
  };
  const numbers = Array.from({ length: 16 }, (_, i) => i);
  const [first, second] = [(i: number) => 15 * i, (i: number) => 255 - 9 * i].map((of, k) =>
    written(`${k}.png`, numbers.map(of)),
  );
  // The upper half is kept, although a pixel of it is white.
  const mask = written(
    'upper.png',
    numbers.map((i) => (i > 7 || i === 3 ? 255 : 0)),
  );
  const execution = await prepareExecution('cpu');
  const latents = latentsOf(model, execution)!;
  const drawn = async (settings: Record<string, unknown>) => {
    const plan = await planFor(model, settingsFrom({ steps: 5, ...settings }), [], undefined, { latents });
    const { network: denoiser } = model.denoiser;
    const x0 = await draw({ ...plan.options, network: denoiser, ...plan.way().way });
    return Array.from({ length: plan.count }, (_, i) => [...x0.subarray(12 * i, 12 * (i + 1))]);
  };
  const encoded = (of: (i: number) => number) => {
    const pixels = tf.tensor4d(
      numbers.map((i) => of(i) / 127.5 - 1),
      [1, 4, 4, 1],
    );
    return [...tf.mul(tf.sub(network.encode(pixels), 0.1), 2).dataSync()];
  };
  const near = (a: number[], b: number[]) => a.every((value, i) => Math.abs(value - b[i]) < 1e-3);

  const known = encoded((i) => 15 * i);
  const [kept] = await drawn({ from: first, mask, count: 1, resample: 1 });
  expect([near(kept.slice(0, 6), known), near(kept.slice(6), Array<number>(6).fill(0))]).toEqual([true, true]);
  // What goes on from a picture has its latents among the noise.
  const plan = await planFor(model, settingsFrom({ from: first, strength: 0.5, steps: 4, count: 1 }), [], undefined, {
    latents,
  });
  const { begin, sampler } = plan.way().way;
  const noise = tf.zeros<tf.Rank.R4>([1, 2, 2, 3]);
  const start = await begin!({ first: 0, noise, xT: noise, denoise: undefined!, told: undefined!, rng: undefined! });
  expect(
    near(
      [...start.dataSync()],
      known.map((value) => value * sampler.levels[0].signal),
    ),
  ).toBe(true);
  expect(await drawn({ interpolate: [first, second], strength: 0.5, count: 3 })).toHaveLength(3);
  await latents.dispose();
});

test('a model that began with a folder of diffusers becomes one again', async () => {
  const model = await openModel(folder);
  const exported = join(scratch, 'exported');
  checkExportPath(exported);
  await exportModel(model, exported, () => undefined);
  const [before, after] = [await pipelineCheckpoint(folder), await pipelineCheckpoint(exported)];
  const hash = ({ weights }: typeof before) => arraysHash([...weights].map(([name, { data }]) => [name, data]));
  expect(hash(after)).toBe(hash(before));
  const { levels, captions, ...same } = meaningFromJson(after.meaning);
  const { levels: own, captions: words, ...expected } = meaningFromJson(before.meaning);
  expect(same).toEqual(expected);
  levels.schedule!.betas.forEach((beta, t) => expect(beta).toBeCloseTo(own.schedule!.betas[t], 6));
  expect(captionTokens(captions!, ['red apple'])).toEqual(captionTokens(words!, ['red apple']));
  const other = { ...model, networks: { denoiser: { name: '@ddpm/unet', options: {} } } };
  await expect(exportModel(other, join(scratch, 'other'), () => undefined)).rejects.toThrow(
    "only a model that began with a folder of diffusers becomes one; this is diffusers' Stable Diffusion",
  );
});

test('a caption that is too long is told, and what does not fit is an error in a line', async () => {
  const model = (await openLatentModel(folder, {}))!;
  const long = 'red apple, blue cat and a very long cat on top of the green apple';
  expect((await planFor(model, settingsFrom({}), [long])).notes).toEqual([
    "a caption is longer than 12 tokens; this of it is not read: 'ery long cat on top of the green apple'",
  ]);
  const refused = async (settings: Record<string, unknown>, captions: string[], message: string) =>
    expect(planFor(model, settingsFrom(settings), captions)).rejects.toThrow(message);
  await refused({}, [], 'this model draws from words: say what is to be seen');
  await refused({ class: '1' }, ['cat'], '--class is for a model that takes classes, and this one takes words');
  await refused({ threshold: 0.9 }, ['cat'], '--threshold is for images, and this model draws latents');
  await expect(openLatentModel(folder, { imageSize: 25 })).rejects.toThrow('--image-size must be a multiple of 2');
  const other = (await openLatentModel(unconditional, {}))!;
  await expect(planFor(other, settingsFrom({}), ['cat'])).rejects.toThrow('this model draws from no words');
  await expect(planFor(other, settingsFrom({ negative: 'cat' }))).rejects.toThrow(
    "--negative is for diffusers' Stable Diffusion",
  );
  expect(await openLatentModel('../../packages/diffusers/test/golden/ddpm', {})).toBeUndefined();
  await expect(run(folder, settingsFrom({ export: join(scratch, 'x.onnx') }))).rejects.toThrow(
    '--export is for a denoiser of images',
  );
});
