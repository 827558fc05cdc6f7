import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const cli = resolve('dist/cli.js');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-evaluate-every-'));
  for (const name of ['dark', 'light']) {
    mkdirSync(join(folder, 'images', name), { recursive: true });
    for (let i = 0; i < 25; i++) {
      const data = Uint8Array.from({ length: 16 }, (_, k) => (name === 'dark' ? 0 : 120) + ((k * (i + 3) * 5) % 128));
      writeFileSync(join(folder, 'images', name, `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
    }
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const data = ['--dataset', 'folder', '--data-dir', 'images', '--backend', 'cpu', '--sample-every', '0'];
const train = (...args: string[]) =>
  spawnSync(process.execPath, [cli, ...args, ...data], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, DDPM_CACHE_DIR: join(folder, 'cache') },
  });
const network = ['--network-options', '{"classes": 2}', '--dim', '4', '--dim-mults', '1', '--timesteps', '6'];
const denoise = [...network, '--batch-size', '8', '--steps', '5', '--evaluate-every', '2', '--evaluate-images', '24'];

test('drawn images are measured now and then and at the end, by a classifier of one’s own', () => {
  const classifier = ['--task', 'classifier', '--network-options', '{"widths": [8]}', '--steps', '1'];
  expect(train(...classifier, '--out', 'classifier').stderr).toBe('');
  const { stdout, stderr } = train(...denoise, '--features', 'classifier', '--out', 'run');
  expect(stderr).toBe('');
  expect(stdout).toMatch(/Features: classifier \([0-9a-f]{12}\), of 50 training images/);
  expect(stdout).toMatch(/Fréchet distance of 24 real images to the others: [\d.]+/);
  const steps = readFileSync(join(folder, 'run', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { measures?: Record<string, number> }).measures);
  expect(steps.map((measures) => measures !== undefined)).toEqual([false, true, false, true, true]);
  const names = ['frechetDistance', 'kernelDistance', 'precision', 'recall', 'classAccuracy'];
  expect(Object.keys(steps[4]!)).toEqual(names.map((name) => `evaluation/${name}`));
  for (const value of Object.values(steps[4]!)) expect(Number.isFinite(value)).toBe(true);
  expect(steps[1]!['evaluation/frechetDistance']).not.toBe(steps[4]!['evaluation/frechetDistance']);
  expect(readFileSync(join(folder, 'run', 'report.html'), 'utf8')).toContain('evaluation/frechetDistance');
});

test.each([
  [
    [...denoise, '--features', 'fashion-mnist'],
    'the features fashion-mnist are of 28×28×1 images, and these are 4×4×1',
  ],
  [[...denoise, '--features', 'absent'], 'absent cannot be read'],
  [
    ['--task', 'classifier', '--steps', '1', '--evaluate-every', '1'],
    '--evaluate-every: --task classifier draws no images',
  ],
])('%j is refused in one line, before anything is trained', (args, message) => {
  const { status, stderr, stdout } = train(...args);
  expect(stderr).toContain(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stdout).not.toContain('Run folder');
  expect(status).toBeGreaterThan(0);
});
