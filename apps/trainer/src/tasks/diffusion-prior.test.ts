import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { prepareExecution } from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import { compileDiffusionPrior, loadDiffusionPrior } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { execute } from '../execute';

const words = ['black', 'gray', 'light', 'white'];

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-prior-'));
  mkdirSync(join(folder, 'images'));
  for (const [i, word] of words.entries()) {
    const data = new Uint8Array(16).fill(80 * i);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
    writeFileSync(join(folder, 'images', `${i}.txt`), word);
  }
  await execute({
    ...{ ...common(), task: 'clip', steps: 1, out: join(folder, 'clip') },
    ...{ vocabularySize: 10, captionLength: 2 },
    networkOptions: { patchSize: 2, width: 8, layers: 1, heads: 2, features: 6 },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const common = () => ({
  ...{ dataset: 'folder', dataDir: join(folder, 'images'), validation: 0, quiet: true, backend: 'cpu', batchSize: 4 },
  ...{ warmup: 0, decay: 'constant', learningRate: 0.01, ema: 0.9 },
});
const options = () => ({
  ...{ ...common(), task: 'prior', timesteps: 20, captionDropout: 0.2, clip: join(folder, 'clip'), sampleEvery: 0 },
  backend: 'compiled',
  networkOptions: { width: 8, layers: 1, heads: 2 },
});
const read = (run: string) => readCheckpoint(join(folder, run, 'checkpoint.safetensors'));

test('a run that is resumed ends at the bits of one that was not, compiled, by the CLIP that it holds itself', async () => {
  await execute({ ...options(), steps: 75, out: join(folder, 'half'), sampleEvery: 75 });
  await execute({ ...options(), steps: 150, out: join(folder, 'whole') });
  const clip = await read('clip');
  renameSync(join(folder, 'clip'), join(folder, 'gone'));
  await execute({ resume: join(folder, 'half'), steps: 150, quiet: true });
  renameSync(join(folder, 'gone'), join(folder, 'clip'));
  const [resumed, straight] = await Promise.all(['half', 'whole'].map(read));
  expect([resumed.weights, resumed.state, resumed.meaning]).toEqual([
    straight.weights,
    straight.state,
    straight.meaning,
  ]);
  for (const [name, { data }] of clip.weights) expect(straight.weights.get(name)!.data).toEqual(data);
});

test('it has learned which vectors belong to a caption; they come from the seed, with guidance and without', async () => {
  const prior = await loadDiffusionPrior(await read('whole'), { bases: [import.meta.url] });
  expect([prior.features, prior.image, prior.captions.length, prior.captions.dropout]).toEqual([6, [4, 4, 1], 2, 0.2]);
  const makes = await compileDiffusionPrior(await prepareExecution('compiled'), prior);
  const ofPictures = tf.tidy(() => {
    const shades = words.flatMap((_, i) => Array<number>(16).fill((80 * i) / 127.5 - 1));
    return prior.clip.clip.encodeImage(tf.tensor4d(shades, [4, 4, 4, 1])).dataSync<'float32'>();
  });
  const given = await makes.vectors(words, { seed: 3 });
  // Of the length √features, and nearest to the picture that the caption is of.
  const product = (i: number, k: number) =>
    given.subarray(6 * i, 6 * i + 6).reduce((sum, value, j) => sum + value * ofPictures[6 * k + j], 0) / Math.sqrt(6);
  for (const i of words.keys()) {
    const products = [...words.keys()].map((k) => product(i, k));
    expect(products.indexOf(Math.max(...products))).toBe(i);
    expect(product(i, i)).toBeGreaterThan(0.9);
  }
  // A vector depends on its number, the seed and its caption alone.
  expect(await makes.vectors(words, { seed: 3, count: 2 })).toEqual(given.slice(0, 12));
  expect(await makes.vectors(words, { seed: 4 })).not.toEqual(given);
  expect(await makes.vectors(words, { seed: 3, guidance: 3 })).not.toEqual(given);
  await makes.dispose();
});

test('refuses to go without a CLIP, with options that there are not, or with pictures of another size', async () => {
  const { clip: _, ...without } = options();
  await expect(execute({ ...without, steps: 1, out: join(folder, 'none') })).rejects.toThrow(
    "--task prior learns a CLIP's vectors: name the run of ddpm-train --task clip by --clip",
  );
  await expect(execute({ ...options(), imageSize: 8, steps: 1, out: join(folder, 'large') })).rejects.toThrow(
    /clip is of images of 4×4×1, and these are of 8×8×1/,
  );
  await expect(
    execute({ ...options(), networkOptions: { wide: 8 }, steps: 1, out: join(folder, 'wide') }),
  ).rejects.toThrow('DiffusionPrior: there is no option wide');
  await expect(
    execute({ ...options(), clip: join(folder, 'whole'), steps: 1, out: join(folder, 'wrong') }),
  ).rejects.toThrow(/whole cannot be used: its meaning.task is not a CLIP's/);
});
