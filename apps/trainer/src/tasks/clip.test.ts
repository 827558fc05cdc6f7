import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { captionTokens, loadClip } from '@ddpm/models';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execute } from '../execute';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-clip-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 4; i++) {
    const data = new Uint8Array(16).fill(80 * i);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
    writeFileSync(join(folder, 'images', `${i}.txt`), ['black', 'gray', 'light', 'white'][i]);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const options = () => ({
  ...{ task: 'clip', dataset: 'folder', dataDir: join(folder, 'images'), batchSize: 4, validation: 0 },
  ...{ learningRate: 0.01, warmup: 0, decay: 'constant', weightDecay: 0, ema: 0.5 },
  ...{ vocabularySize: 10, captionLength: 2, quiet: true, backend: 'cpu' },
  networkOptions: { patchSize: 2, width: 8, layers: 1, heads: 2, features: 8 },
});

test('learns which word belongs to which image, and a run that is resumed ends at the same bits', async () => {
  const [half, whole] = ['half', 'whole'].map((name) => join(folder, name));
  await execute({ ...options(), steps: 20, out: half });
  await execute({ resume: half, steps: 40, quiet: true });
  await execute({ ...options(), steps: 40, out: whole });
  const [resumed, straight] = await Promise.all(
    [half, whole].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([resumed.weights, resumed.state]).toEqual([straight.weights, straight.state]);
  const { clip, captions, image } = await loadClip(straight, { run: whole, bases: [import.meta.url] });
  expect(image).toEqual([4, 4, 1]);
  const nearest = tf.tidy(() => {
    const shades = tf.tensor4d(
      [0, 80, 160, 240].flatMap((byte) => Array<number>(16).fill(byte / 127.5 - 1)),
      [4, 4, 4, 1],
    );
    const { tokens } = captionTokens(captions, ['black', 'gray', 'light', 'white']);
    return [...tf.argMax(clip.apply(shades, tf.tensor2d(tokens.data as Int32Array, [4, 2], 'int32')), 1).dataSync()];
  });
  expect(nearest).toEqual([0, 1, 2, 3]);
  await expect(loadClip({ ...straight, meaning: { task: 'denoising' } })).rejects.toThrow(
    "its meaning.task is not a CLIP's: expected contrastive",
  );
});

test('of noisy images it is told their levels, goes on to the bit, and is no CLIP whose vectors are learned', async () => {
  const noised = { ...options(), noised: true, timesteps: 10 };
  const [half, whole] = ['noised-half', 'noised'].map((name) => join(folder, name));
  await execute({ ...noised, steps: 1, out: half });
  await execute({ resume: half, steps: 2, quiet: true });
  await execute({ ...noised, steps: 2, out: whole });
  const [resumed, straight] = await Promise.all(
    [half, whole].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([resumed.weights, resumed.state]).toEqual([straight.weights, straight.state]);
  const { clip, levels } = await loadClip(straight, { run: whole, bases: [import.meta.url] });
  expect(levels!.schedule!.timesteps).toBe(10);
  tf.tidy(() => {
    const x = tf.ones<tf.Rank.R4>([1, 4, 4, 1]);
    const at = (t: number) => [...clip.encodeImage(x, tf.tensor1d([t])).dataSync()];
    expect(at(1)).not.toEqual(at(9));
  });
  const prior = { task: 'prior', dataset: 'folder', dataDir: join(folder, 'images'), quiet: true, clip: whole };
  await expect(execute({ ...prior, validation: 0, out: join(folder, 'prior') })).rejects.toThrow(
    `${whole} cannot be used: it is a CLIP of noisy images (--noised), which guides, and whose vectors are not decoded`,
  );
});

test('has noise levels with --noised alone', async () => {
  await expect(execute({ ...options(), timesteps: 10, steps: 1, out: join(folder, 'levels') })).rejects.toThrow(
    '--timesteps: a CLIP has noise levels with --noised',
  );
});

test('refuses batches that are cut', async () => {
  await expect(execute({ ...options(), accumulate: 2, steps: 1, out: join(folder, 'cut') })).rejects.toThrow(
    '--accumulate cuts a batch',
  );
});
