import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { loadClassifier } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const cli = resolve('dist/cli.js');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-classify-'));
  for (const [name, least] of [
    ['dark', 0],
    ['light', 128],
  ] as const) {
    mkdirSync(join(folder, 'images', name), { recursive: true });
    for (let i = 0; i < 12; i++) {
      const data = Uint8Array.from({ length: 36 }, (_, k) => least + ((k * (i + 3) * 5) % 128));
      writeFileSync(join(folder, 'images', name, `${i}.png`), encodePng({ width: 6, height: 6, channels: 1, data }));
    }
  }
  const tfjs = import.meta.resolve('@tensorflow/tfjs');
  writeFileSync(
    join(folder, 'narrow.mjs'),
    `import * as tf from '${tfjs}';
     export default () => ({ w: tf.variable(tf.zeros([1])), apply: (x) => tf.zeros([x.shape[0], 3]) });`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const small = ['--task', 'classifier', '--dataset', 'folder', '--data-dir', 'images', '--backend', 'cpu'];
const train = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });

test('a classifier learns classes, records how often it is right, and goes on to the same bits', async () => {
  const settings = [
    ...[...small, '--network-options', '{"widths": [8]}', '--shift', '1', '--batch-size', '8', '--warmup', '0'],
    ...['--validation', '8', '--learning-rate', '0.01', '--ema', '0.5', '--decay', 'constant'],
  ];
  const { status, stdout, stderr } = train(...settings, '--steps', '30', '--out', 'whole');
  expect([stderr, status]).toEqual(['', 0]);
  expect(stdout).toContain('to tell 2 classes apart');
  const last = JSON.parse(
    readFileSync(join(folder, 'whole', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .at(-1)!,
  ) as {
    losses: Record<string, number>;
  };
  expect(last).toMatchObject({ losses: { accuracy: 1 }, measures: { 'validation/accuracy': 1 } });

  train(...settings, '--steps', '30', '--checkpoint-every', '12', '--keep', '9', '--out', 'parts');
  rmSync(join(folder, 'parts', 'checkpoints', 'step-0000030.safetensors'));
  rmSync(join(folder, 'parts', 'checkpoints', 'step-0000024.safetensors'));
  expect(train('--resume', 'parts')).toMatchObject({ status: 0, stderr: '' });
  const weights = (run: string) => readFileSync(join(folder, run, 'checkpoint.safetensors'));
  const of = async (run: string) => (await readCheckpoint(join(folder, run, 'checkpoint.safetensors'))).weights;
  expect(weights('parts').length).toBeGreaterThan(1000);
  expect(await of('parts')).toEqual(await of('whole'));
  const { classNames, image } = await loadClassifier(
    await readCheckpoint(join(folder, 'whole', 'checkpoint.safetensors')),
  );
  expect([classNames, image]).toEqual([
    ['dark', 'light'],
    [6, 6, 1],
  ]);
});

test.each([
  [
    [...small.slice(0, 4), '--data-dir', 'images/dark'],
    'needs the label of each image, which folder does not have here',
  ],
  [
    [...small, '--network', './narrow.mjs'],
    'network ./narrow.mjs should make logits [n, 2] of 6×6×1 images, but of 2 it makes [2, 3]',
  ],
  [[...small, '--loss', 'l1'], '--loss is an option of --task denoise, not of classifier'],
])('%j is refused in one line', (args, message) => {
  const { status, stderr } = train(...args);
  expect(stderr).toContain(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(status).toBeGreaterThan(0);
});
