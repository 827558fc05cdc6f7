import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const cli = resolve('dist/cli.js');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-resume-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 22; i++) {
    const data = Uint8Array.from({ length: 16 }, (_, k) => (k * (i + 3) * 5) % 256);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const data = ['--dataset', 'folder', '--data-dir', 'images', '--validation', '4', '--validate-every', '5'];
const network = [
  '--dim',
  '4',
  '--dim-mults',
  '1',
  '--timesteps',
  '6',
  '--batch-size',
  '4',
  '--ema',
  '0.99',
  '--warmup',
  '3',
  '--decay',
  'cosine',
];
const settings = [...data, ...network, '--steps', '24', '--checkpoint-every', '2', '--sample-every', '0'];
const train = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
const weights = (run: string) => readFileSync(join(folder, run, 'checkpoint.safetensors'));
const lines = (run: string) =>
  readFileSync(join(folder, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n').length;

/** Starts training, and sends a signal once so many checkpoints were written. */
async function trainUntil(
  run: string,
  backend: string,
  checkpoints: number,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; output: string }> {
  mkdirSync(join(folder, run));
  const child = spawn(process.execPath, [cli, ...settings, '--backend', backend, '--out', run], { cwd: folder });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const seen = new Set<string>();
  let sent = false;
  const watcher = watch(join(folder, run), { recursive: true }, (_, name) => {
    if (name && /step-\d+\.safetensors$/.test(name) && !name.endsWith('.tmp')) seen.add(name);
    if (seen.size === checkpoints && !sent) sent = child.kill(signal);
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  watcher.close();
  return { code, output };
}

describe.each(['compiled', 'cpu'])('on the %s backend', (backend) => {
  const whole = `whole-${backend}`;
  beforeAll(() => void train(...settings, '--backend', backend, '--out', whole));

  test.each([1, 4])('a run that is killed after %i checkpoints goes on to bit-identical weights', async (checkpoints) => {
    const run = `killed-${backend}-${checkpoints}`;
    await trainUntil(run, backend, checkpoints, 'SIGKILL');
    const { status, stderr } = train('--resume', run);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(weights(run).equals(weights(whole))).toBe(true);
    expect(lines(run)).toBe(24);
  });

  test('Ctrl-C finishes the step, saves, says how to go on, and exits with 130', async () => {
    const run = `stopped-${backend}`;
    const { code, output } = await trainUntil(run, backend, 2, 'SIGINT');
    expect(code).toBe(130);
    expect(output).toMatch(new RegExp(`stopped after \\d+ of 24 steps; go on with: ddpm-train --resume ${run}`));
    expect(train('--resume', run).status).toBe(0);
    expect(weights(run).equals(weights(whole))).toBe(true);
  });
});

describe('a damaged run folder', () => {
  const newest = (run: string) => {
    const names = readdirSync(join(folder, run, 'checkpoints')).sort();
    return join(folder, run, 'checkpoints', names[names.length - 1]);
  };
  test('whose newest checkpoint is truncated goes on from the one before, and says so', () => {
    train(...settings, '--backend', 'cpu', '--out', 'damaged');
    truncateSync(newest('damaged'), 1000);
    appendFileSync(join(folder, 'damaged', 'metrics.jsonl'), '{"step": 24, "lo');
    const { status, stdout } = train('--resume', 'damaged');
    expect(stdout).toMatch(/Warning: .*step-0000024\.safetensors is not a usable checkpoint: safetensors: /);
    expect(stdout).toContain('Going on with damaged after 22 steps');
    expect(status).toBe(0);
    expect(weights('damaged').equals(weights('whole-cpu'))).toBe(true);
    expect(lines('damaged')).toBe(24);
  });

  test('in use by another trainer is refused', async () => {
    mkdirSync(join(folder, 'used'));
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    writeFileSync(join(folder, 'damaged', 'lock.json'), JSON.stringify({ pid: other.pid, host: (await import('node:os')).hostname() }));
    const { status, stderr } = train('--resume', 'damaged');
    other.kill();
    expect({ status, stderr }).toEqual({ status: 1, stderr: `ddpm-train: damaged is in use by another trainer (process ${other.pid})\n` });
  });

  test('without a run is refused', () => {
    const { status, stderr } = train('--resume', 'images');
    expect(stderr).toMatch(/^ddpm-train: images holds no run: [^\n]+\n$/);
    expect(status).toBe(1);
  });
});

describe('a loss that is not finite', () => {
  test('is skipped, counted, and after some in a row stops the run, whose last good checkpoint stays', () => {
    const home = mkdtempSync(join(resolve('.'), '.network-'));
    try {
      // Its weight falls by 0.01 a step, and has no root once it is below zero.
      writeFileSync(
        join(home, 'network.mjs'),
        `import * as tf from '@tensorflow/tfjs';
         export default () => {
           const w = tf.variable(tf.scalar(0.055));
           return { w, apply: (xt) => tf.mul(tf.onesLike(xt), tf.mul(tf.sqrt(w), 10)) };
         };`,
      );
      const options = [
        '--network',
        './network.mjs',
        '--blind',
        '--backend',
        'cpu',
        '--steps',
        '50',
        '--checkpoint-every',
        '1',
        '--max-skipped',
        '3',
        '--learning-rate',
        '0.01',
      ];
      const args = [cli, '--dataset', 'folder', '--data-dir', join(folder, 'images'), '--timesteps', '6', '--batch-size', '4', ...options];
      const { status, stdout, stderr } = spawnSync(process.execPath, [...args, '--loss', 'l2', '--sample-every', '0', '--out', 'run'], {
        cwd: home,
        encoding: 'utf8',
      });
      if (status === 0) throw new Error(`the loss stayed finite: ${stdout}`);
      const [, step, saved] =
        /stopped at step (\d+): 3 steps in a row had no finite loss and gradient; the last good checkpoint is after (\d+) steps in run/.exec(
          stderr,
        ) ?? [];
      expect(Number(step)).toBe(Number(saved) + 2);
      expect(stdout).toContain(`Warning: step ${saved} was skipped: its loss is NaN`);
      expect(status).toBe(1);
      expect(readdirSync(join(home, 'run', 'checkpoints')).at(-1)).toBe(`step-${saved.padStart(7, '0')}.safetensors`);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
