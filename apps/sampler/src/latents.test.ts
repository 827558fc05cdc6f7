import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareExecution } from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { imagesOf, isLatent, openLatentModel } from './latents';
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
  const xT = tf.ones<tf.Rank.R4>([1, 8, 8, 4]);
  const known = await model.pipeline.latents.encode(tf.fill([1, 16, 16, 3], (200 / 255) * 2 - 1));
  const last = way.sampler.levels.at(-1)!;
  expect(last.sigma).toBeLessThan(0.05);
  const images = await imagesOf(model, await known.data<'float32'>(), 1);
  expect(images).toHaveLength(16 * 16 * 3);
  tf.dispose([xT, known]);
  await model.pipeline.dispose();
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
