import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { loadClassifier, loadNoisedClassifier } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs';
import { execute } from '../execute';
import { readInvocation } from '../options';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-noised-'));
  for (const [name, gray] of [
    ['dark', 20],
    ['light', 235],
  ] as const) {
    mkdirSync(join(folder, 'images', name), { recursive: true });
    for (let i = 0; i < 6; i++)
      writeFileSync(
        join(folder, 'images', name, `${i}.png`),
        encodePng({ width: 4, height: 4, channels: 1, data: new Uint8Array(16).fill(gray + i) }),
      );
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Logits of the mean shade, by how noisy it is. */
function write(name: string, classes: string): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `import * as tf from '${import.meta.resolve('@tensorflow/tfjs')}';
     export default ({ classes }) => ({
       w: tf.variable(tf.zeros([1, ${classes}])),
       b: tf.variable(tf.zeros([1, ${classes}])),
       apply(x, t) {
         const shade = tf.reshape(tf.mean(x, [1, 2, 3]), [-1, 1]);
         return tf.add(tf.matMul(shade, this.w), tf.mul(tf.reshape(t, [-1, 1]), this.b));
       },
     });`,
  );
  return path;
}
const settings = () => ({
  ...{ task: 'classifier', noised: true, dataset: 'folder', dataDir: join(folder, 'images'), backend: 'cpu' },
  ...{ schedule: 'cosine', timesteps: 40, batchSize: 8, learningRate: 0.2, warmup: 0, decay: 'constant', ema: 0 },
  ...{ network: write('mine.mjs', 'classes'), validation: 4, checkpointEvery: 8, flip: false, quiet: true },
});

test('learns classes at every noise level, records how often it is right in each quarter, and goes on to the bit', async () => {
  const [whole, half] = ['whole', 'half'].map((name) => join(folder, name));
  await execute({ ...settings(), out: whole, steps: 16 });
  await execute({ ...settings(), out: half, steps: 8 });
  await execute({ resume: half, steps: 16, quiet: true });
  const [straight, resumed] = await Promise.all(
    [whole, half].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([resumed.weights, resumed.state]).toEqual([straight.weights, straight.state]);
  const last = JSON.parse(readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trim().split('\n').at(-1)!) as {
    losses: Record<string, number>;
  };
  const {
    accuracy,
    accuracyQuarter1: clear,
    accuracyQuarter2: b,
    accuracyQuarter3: c,
    accuracyQuarter4: noisy,
  } = last.losses;
  expect((clear + b + c + noisy) / 4).toBeCloseTo(accuracy, 6);
  // Two of eight images a quarter: where there is little noise, the shade tells.
  expect(clear).toBe(1);
  const { classNames, image, levels } = await loadNoisedClassifier(straight);
  expect([classNames, image, levels.schedule!.timesteps]).toEqual([['dark', 'light'], [4, 4, 1], 40]);
  await expect(loadClassifier(straight)).rejects.toThrow(
    "its meaning.task is not a classifier's: expected classification",
  );
  await expect(
    loadNoisedClassifier({ ...straight, meaning: { ...straight.meaning, task: 'classification' } }),
  ).rejects.toThrow(
    'its meaning.task is not that of a classifier of noisy images: expected noised classification, of --task classifier --noised',
  );
});

test('settings are those that noise needs, and refuse what it has no use for', async () => {
  const of = (options: Record<string, unknown>) => readInvocation({ task: 'classifier', ...options }).settings;
  expect(of({ noised: true })).toMatchObject({
    ...{ network: '@ddpm/adm/classifier', schedule: 'stretched-linear', timesteps: 200, shift: 0 },
    networkOptions: { pool: 'adaptive' },
  });
  expect(of({ preset: 'noised-classifier', schedule: 'cosine' })).toMatchObject({ noised: true, schedule: 'cosine' });
  expect(of({ noised: true, network: './mine.mjs' }).networkOptions).toEqual({});
  expect(of({})).not.toHaveProperty('schedule');
  expect(() => of({ schedule: 'cosine' })).toThrow('--schedule: a classifier has noise levels with --noised');
  expect(() => of({ noised: true, shift: 2 })).toThrow(
    '--shift moves images without noise; --noised has no use for it',
  );
  await expect(
    execute({ ...settings(), network: write('three.mjs', 'classes + 1'), steps: 1, out: join(folder, 'none') }),
  ).rejects.toThrow('should make logits [n, 2] of 4×4×1 images, but of 2 it makes [2, 3]');
});
