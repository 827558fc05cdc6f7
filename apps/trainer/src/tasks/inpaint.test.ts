import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { loadDenoiser } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { execute } from '../execute';

let folder: string;
const run = (name: string) => join(folder, name);
const common = { ...{ validation: 0, sampleEvery: 0, quiet: true, backend: 'cpu' }, checkpointEvery: 2, batchSize: 2 };
const adm = {
  ...{ modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 2, patchSize: 2 },
};
/** By name, how a model is trained that is to learn inpainting. */
const bases = {
  denoise: { preset: 'quick', timesteps: 16, classes: false, networkOptions: { ...adm, dropout: 0.1 } },
  words: {
    ...{ task: 'text-to-image', timesteps: 16, vocabularySize: 7, captionLength: 4 },
    networkOptions: { ...adm, attentionResolutions: [], numHeads: 1, textWidth: 4, textLayers: 1, textHeads: 1 },
  },
  unet: { dim: 4, dimMults: [1], blocks: 'resnet', networkOptions: { resnetBlockGroups: 1 }, timesteps: 16 },
};
type Name = keyof typeof bases;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-inpaint-'));
  mkdirSync(run('images'));
  for (let i = 0; i < 4; i++) {
    const data = Uint8Array.from({ length: 48 }, (_, k) => (37 * i + 50 * k) % 256);
    writeFileSync(join(run('images'), `${i}.png`), encodePng({ width: 4, height: 4, channels: 3, data }));
    writeFileSync(join(run('images'), `${i}.txt`), i < 2 ? 'a dark one' : 'a light one');
  }
  const data = { dataset: 'folder', dataDir: run('images'), flip: false, learningRate: 0.01, warmup: 0 };
  for (const [name, options] of Object.entries(bases))
    await execute({ ...common, ...data, ...options, steps: 2, out: run(name) });
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (name: string) => readCheckpoint(join(run(name), 'checkpoint.safetensors'));
const load = async (name: string) => loadDenoiser(await read(name), { bases: [import.meta.url] });
const normals = (shape: [number, number, number, number]) =>
  tf.tensor4d(new Random(shape).normals(tf.util.sizeFromShape(shape)), shape);

test.each(Object.keys(bases) as Name[])(
  'at first it says what the model did, to the bit, whatever is known: %s',
  async (name) => {
    // With a rate of next to nothing, the weights stay what they are.
    const options = { ...common, task: 'inpaint', from: run(name), steps: 1, learningRate: 1e-30, warmup: 0 };
    await execute({ ...options, out: run(`${name}-wider`) });
    const [before, after] = [await load(name), await load(`${name}-wider`)];
    expect(after.inpainting).toBe(true);
    const [x, t] = [normals([2, 4, 4, 3]), tf.tensor1d([3, 9])];
    const words = name === 'words' ? { tokens: tf.tensor2d([3, 4, 1, 0, 1, 0, 0, 0], [2, 4], 'int32') } : undefined;
    const known = { known: normals([2, 4, 4, 3]), mask: normals([2, 4, 4, 1]) };
    expect(after.network.conditions).toEqual([...Object.keys(known), ...Object.keys(words ?? {})]);
    const [plain, told] = [before.network.apply(x, t, words), after.network.apply(x, t, { ...known, ...words })];
    expect([...told.dataSync()]).toEqual([...plain.dataSync()]);
    expect(Math.max(...plain.dataSync().map(Math.abs))).toBeGreaterThan(1e-3);
  },
);

test('learns to look at what is known; one that is resumed ends at the bits of one that was not', async () => {
  const options = { ...common, task: 'inpaint', from: run('words'), learningRate: 0.01, warmup: 0, sampleEvery: 4 };
  await execute({ ...options, steps: 4, out: run('inpaint') });
  const whole = await read('inpaint');
  const input = whole.weights.get('denoiser.network.encoder.inConv.weight')!;
  // 3 channels, 3 of what is known and 1 of where, each of 2×2.
  expect(input.shape).toEqual([3, 3, 28, 4]);
  const added = input.data.filter((_, i) => Math.floor(i / 4) % 28 >= 12);
  expect(added.every((value) => value !== 0)).toBe(true);

  rmSync(join(run('inpaint'), 'checkpoints', 'step-0000004.safetensors'));
  await execute({ resume: run('inpaint'), quiet: true });
  const resumed = await read('inpaint');
  expect([resumed.weights, resumed.state]).toEqual([whole.weights, whole.state]);

  // It may go on to learn from other data.
  await execute({ ...options, from: run('inpaint'), steps: 1, out: run('again') });
  expect((await read('again')).weights.size).toBe(whole.weights.size);
});

test('begins with a model, of images of this size', async () => {
  await expect(
    execute({ ...common, task: 'inpaint', dataDir: run('images'), steps: 1, out: run('none') }),
  ).rejects.toThrow('--task inpaint begins with a denoiser: name its run by --from');
});
