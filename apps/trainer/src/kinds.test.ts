import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { defaults } from './defaults';
import type { Kind } from './tasks/training';
import { kind } from './tasks/training';

/**
 * A training of two networks that knows no noise and has nothing to look at: a shade for each class, and how sure it is.
 */
const shades = kind({
  name: 'shades',
  does: 'the mean of each class',
  options: {
    Shades: {
      margin: {
        flag: '--margin <n>',
        does: 'how far off is still right',
        schema: (await import('zod')).z.number(),
        read: Number,
      },
    },
  },
  presets: {
    shades: {
      does: 'a few steps',
      settings: {
        ...{ ...defaults, dataset: 'folder', flip: false, steps: 2, batchSize: 4, learningRate: 0.01 },
        ...{ network: './shades.mjs', margin: 0.5, backend: 'cpu', validation: 2, validateEvery: 1 },
      },
    },
  },
  needs: ['label'],
  make({ settings: { margin, network }, dataset }) {
    const shade = tf.variable(tf.zeros([dataset.classNames!.length]));
    const doubt = tf.variable(tf.scalar(1));
    return Promise.resolve({
      task: {
        parameters: new Map([
          ['shades.of', shade],
          ['doubt.value', doubt],
        ]),
        draw: (examples) => examples,
        loss({ image, label }) {
          const error = tf.abs(tf.sub(tf.mean(image, [1, 2, 3]), tf.gather(shade, label)));
          return {
            loss: tf.add<tf.Tensor1D>(error, tf.square(doubt)),
            right: tf.cast<tf.Tensor1D>(tf.lessEqual(error, margin), 'float32'),
          };
        },
      },
      networks: { shades: { name: network, options: {} }, doubt: { name: network, options: { of: 1 } } },
      meaning: { task: 'shades' },
      description: 'Shades',
      operations: () => Promise.resolve(1),
      dispose: () => Promise.resolve(),
    });
  },
});

// The list of kinds, with it.
const { denoise } = await import('./tasks/denoise');
const kinds = [denoise, shades];
jest.unstable_mockModule('./tasks/index', () => ({
  tasks: Object.fromEntries(kinds.map((one) => [one.name, one])),
  presets: Object.fromEntries(
    kinds.flatMap((one: Kind) => Object.entries(one.presets).map(([name, preset]) => [name, { ...preset, kind: one }])),
  ),
}));
const { execute } = await import('./execute');
const { readInvocation } = await import('./options');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-kinds-'));
  for (const [name, gray] of [
    ['dark', 40],
    ['light', 250],
  ] as const) {
    mkdirSync(join(folder, 'images', name), { recursive: true });
    for (let i = 0; i < 5; i++)
      writeFileSync(
        join(folder, 'images', name, `${i}.png`),
        encodePng({ width: 2, height: 2, channels: 1, data: new Uint8Array(4).fill(gray + i) }),
      );
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

test('a kind of training has its own options and presets, and no others', () => {
  expect(readInvocation({ task: 'shades', margin: 0.1 })).toMatchObject({
    preset: 'shades',
    settings: { task: 'shades', margin: 0.1, batchSize: 4 },
  });
  expect(readInvocation({ preset: 'shades' }).settings).not.toHaveProperty('schedule');
  const config = join(folder, 'config.json');
  writeFileSync(config, '{"schedule": "linear"}');
  for (const [options, message] of [
    [{ task: 'shades', schedule: 'cosine' }, '--schedule is an option of --task denoise, not of shades'],
    [{ margin: 1 }, '--margin is an option of --task shades, not of denoise'],
    [{ task: 'shades', config }, `${config}: schedule is a setting of --task denoise, not of shades`],
    [{ task: 'shades', preset: 'quick' }, '--preset quick is one of --task denoise; shades has shades'],
    [{ task: 'shade' }, "--task must be one of denoise, shades, got 'shade'"],
  ] as const)
    expect(() => readInvocation(options)).toThrow(message);
});

test('a training of several networks, without noise or pictures, is recorded and resumed', async () => {
  const out = join(folder, 'run');
  const data = { dataDir: join(folder, 'images') };
  const lines = () =>
    readFileSync(join(out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  await execute({ task: 'shades', ...data, out, quiet: true });
  const half = lines();
  expect(half.map(({ losses }) => losses)).toEqual([{ right: 0 }, { right: 0 }]);
  expect(half[1]).toMatchObject({ validationLoss: expect.any(Number), measures: { 'validation/right': 0 } });
  expect(half[0]).not.toHaveProperty('quartiles');
  const { networks, meaning, weights } = await readCheckpoint(join(out, 'checkpoint.safetensors'));
  expect([Object.keys(networks), meaning, [...weights.keys()]]).toEqual([
    ['shades', 'doubt'],
    { task: 'shades' },
    ['shades.of', 'doubt.value'],
  ]);
  const html = readFileSync(join(out, 'report.html'), 'utf8');
  expect([...html.matchAll(/<figcaption><b>([^<]*)/g)].map((match) => match[1])).toEqual([
    ...['Loss', 'right', 'Gradient norm', 'Learning rate', 'Images a second'],
  ]);

  await execute({ resume: out, steps: 4, quiet: true });
  const whole = join(folder, 'whole');
  await execute({ task: 'shades', ...data, out: whole, steps: 4, quiet: true });
  const [resumed, straight] = await Promise.all(
    [out, whole].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([resumed.weights, resumed.state]).toEqual([straight.weights, straight.state]);
});

test('data without what a kind needs, and samples that it does not draw, are refused', async () => {
  const flat = { dataDir: join(folder, 'images', 'dark'), quiet: true, out: join(folder, 'none') };
  await expect(execute({ task: 'shades', ...flat })).rejects.toThrow(
    '--task shades needs the label of each image, which folder does not have here, only image',
  );
  await expect(execute({ task: 'shades', ...flat, dataDir: join(folder, 'images'), sampleEvery: 1 })).rejects.toThrow(
    '--sample-every: --task shades draws no samples',
  );
});
