import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { OptionSpec } from '@ddpm/app-common';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { invocationTable, table } from './table';

// The built command, run as people run it.
const cli = resolve('dist/cli.js');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-trainer-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 10; i++) {
    const data = Uint8Array.from({ length: 64 }, (_, k) => (k * (i + 3)) % 256);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 8, height: 8, channels: 1, data }));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}
const images = ['--dataset', 'folder', '--data-dir', 'images'];
const tiny = [...images, '--dim', '4', '--dim-mults', '1', '--timesteps', '4', '--batch-size', '4', '--backend', 'cpu'];

describe('ddpm-train', () => {
  test('makes a folder of mixed images one by --channels, which the refusal names; mirrors none unless asked', () => {
    mkdirSync(join(folder, 'mixed'));
    for (const channels of [1, 3] as const) {
      const data = new Uint8Array(64 * channels);
      writeFileSync(join(folder, 'mixed', `${channels}.png`), encodePng({ width: 8, height: 8, channels, data }));
    }
    writeFileSync(join(folder, 'mixed', 'notes.txt'), 'x');
    const mixed = [...tiny, '--data-dir', 'mixed', '--dry-run'];
    expect(run(...mixed)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^ddpm-train: [^\n]*--channels[^\n]*\n$/),
    });
    const { status, stdout } = run(...mixed, '--channels', '3');
    expect(status).toBe(0);
    expect(stdout).toContain('Dataset: folder, 2 images of 8×8×3');
    expect(stdout).toContain('flip: false');
    expect(stdout).toContain('Warning: Skipped 1 file: 1 .txt (notes.txt)');
  });

  test('trains, and leaves everything in the run folder', () => {
    const { status, stdout, stderr } = run(...tiny, '--epochs', '2', '--out', 'run');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Dataset: folder, 10 images of 8×8×1');
    expect(stdout).toContain('Backend: cpu (as asked)');
    expect(stdout).toMatch(/Training 6\/6 {2}loss 0\.\d+ {2}[\d.]+ images\/s/);
    const out = join(folder, 'run');
    expect(readdirSync(out).sort()).toEqual([
      'checkpoint.safetensors',
      'checkpoints',
      'config.json',
      'history.json',
      'loss.png',
      'metrics.jsonl',
      'previews',
      'report.html',
      'tensorboard',
    ]);
    expect(readdirSync(join(out, 'previews'))).toEqual(['step-000003.png', 'step-000006.png']);
    const metrics = readFileSync(join(out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number>);
    expect(metrics.map(({ step, epoch }) => [step, epoch])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 1],
      [5, 1],
    ]);
    expect(Object.keys(metrics[0])).toEqual([
      ...['step', 'epoch', 'loss', 'gradNorm', 'imagesPerSecond', 'seconds', 'learningRate', 'quartiles', 'losses'],
    ]);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({
      dataset: 'folder',
      batchSize: 4,
      loss: 'huber',
      dim: 4,
    });
  });

  test('gives the same losses for the same seed, and others for another', () => {
    const losses = (seed: string, out: string) => {
      run(...tiny, '--steps', '2', '--seed', seed, '--sample-every', '0', '--out', out);
      return readFileSync(join(folder, out, 'metrics.jsonl'), 'utf8').match(/"loss":[^,]+/g);
    };
    const first = losses('1', 'seed-1');
    expect(first).toHaveLength(2);
    expect(losses('1', 'seed-1-again')).toEqual(first);
    expect(losses('2', 'seed-2')).not.toEqual(first);
  });

  test('trains the network that the README swaps in', () => {
    const readme = readFileSync(join('..', '..', 'README.md'), 'utf8');
    const code = /^```js\n([\s\S]*?)^```$/m.exec(readme)![1];
    // It lies where @tensorflow/tfjs can be found from.
    const home = mkdtempSync(join(resolve('.'), '.network-'));
    try {
      writeFileSync(join(home, 'my-network.mjs'), code);
      const network = ['--network', './my-network.mjs', '--network-options', '{"width": 8}'];
      const data = ['--dataset', 'folder', '--data-dir', join(folder, 'images')];
      for (const backend of ['cpu', 'compiled']) {
        const args = [
          cli,
          ...data,
          ...network,
          '--steps',
          '1',
          '--backend',
          backend,
          '--timesteps',
          '2',
          '--out',
          backend,
        ];
        const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: home, encoding: 'utf8' });
        expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
        expect(stdout).toContain('Network: ./my-network.mjs, 216 parameters');
        expect(existsSync(join(home, backend, 'checkpoint.safetensors'))).toBe(true);
      }
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  test('trains a network that is told classes, and refuses it data without', () => {
    for (const [i, name] of ['dark', 'light'].entries()) {
      mkdirSync(join(folder, 'classes', name), { recursive: true });
      for (let k = 0; k < 4; k++) {
        const data = new Uint8Array(16).fill(40 + 150 * i + k);
        writeFileSync(join(folder, 'classes', name, `${k}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
      }
    }
    writeFileSync(
      join(folder, 'conditional.mjs'),
      `import * as tf from '${import.meta.resolve('@tensorflow/tfjs')}';
      export default () => ({
        conditions: ['label'],
        shade: tf.variable(tf.zeros([2])),
        gain: tf.variable(tf.scalar(0.1)),
        apply(x, t, { label }) {
          const shade = tf.reshape(tf.mul(tf.gather(this.shade, label), tf.add(t, 1)), [-1, 1, 1, 1]);
          return tf.mul(tf.sub(x, shade), this.gain);
        },
      });`,
    );
    const network = [
      '--network',
      './conditional.mjs',
      '--timesteps',
      '4',
      '--batch-size',
      '8',
      '--steps',
      '3',
      '--validation',
      '2',
    ];
    for (const backend of ['compiled', 'wasm', 'cpu']) {
      const { status, stdout, stderr } = run(
        ...images,
        '--data-dir',
        'classes',
        ...network,
        '--backend',
        backend,
        '--out',
        `classes-${backend}`,
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain('Network: ./conditional.mjs, 3 parameters, told which of 2 classes');
      expect(stdout).toContain('Validation loss after 3 steps');
    }
    const losses = ['compiled', 'wasm', 'cpu'].map((backend) =>
      readFileSync(join(folder, `classes-${backend}`, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { loss: number }),
    );
    for (const other of losses.slice(0, 2))
      other.forEach(({ loss }, i) => expect(loss).toBeCloseTo(losses[2][i].loss, 4));
    expect(losses.map(({ length }) => length)).toEqual([3, 3, 3]);
    expect(run(...images, ...network, '--backend', 'cpu')).toEqual({
      status: 1,
      stdout: expect.stringContaining('Dataset: folder'),
      stderr:
        "ddpm-train: the network takes the condition 'label', but the dataset has no classes; folders have them as subfolders\n",
    });
  });

  test('--json prints an event a line, --quiet nothing', () => {
    const json = run(...tiny, '--steps', '2', '--sample-every', '0', '--json', '--out', 'json');
    const events = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; step?: number; loss?: number });
    expect(events.filter(({ event }) => event === 'step').map(({ step, loss }) => [step, loss! > 0])).toEqual([
      [0, true],
      [1, true],
    ]);
    const quiet = run(...tiny, '--steps', '2', '--sample-every', '0', '--quiet', '--out', 'quiet');
    expect(quiet).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('goes on when nobody reads its output any more', async () => {
    const child = spawn(process.execPath, [cli, ...tiny, '--steps', '3', '--sample-every', '0', '--out', 'unread'], {
      cwd: folder,
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((done) => child.on('close', done));
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(existsSync(join(folder, 'unread', 'checkpoint.safetensors'))).toBe(true);
  });

  test('--dry-run shows the plan and writes nothing', () => {
    const before = readdirSync(folder);
    const { status, stdout } = run(...tiny, '--dry-run');
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /Parameters: 8,647\nWork: 0\.\d+ GFLOP an image forward, 0 GFLOP a step of 4 images\nSteps: 15 of 15 to go/,
    );
    expect(stdout).toMatch(/Memory: \d\.\d\d GB .*\nTime: \d\.\d\d s a step/);
    expect(readdirSync(folder)).toEqual(before);
  });

  test('--help names every option, with what it does, and exits with 0', () => {
    const { status, stdout } = run('--help');
    expect(status).toBe(0);
    const flat = stdout.replace(/\s+/g, ' ');
    for (const options of Object.values({ ...invocationTable, ...table }))
      for (const { flag, does } of Object.values<OptionSpec>(options)) expect(flat).toContain(` ${flag} ${does} `);
  });
});

describe('what is wrong is one line, and no run folder', () => {
  test.each<[string[], string]>([
    [['--batch-sise', '4'], "ddpm-train: unknown option '--batch-sise' (Did you mean --batch-size?)"],
    [
      ['--backend', 'opencl'],
      "ddpm-train: --backend must be one of auto, compiled, webgpu, cuda, tfjs-node-gpu, tfjs-node, wasm, cpu, got 'opencl'",
    ],
  ])('%j: exit code 2', (args, message) => {
    const { status, stdout, stderr } = run(...args);
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: `${message}\n` });
  });

  test.each<[string, string[], string | RegExp]>([
    ['no such folder', ['--dataset', 'folder', '--data-dir', 'nowhere'], /nowhere/],
    [
      'groups that do not divide',
      [...tiny, '--blocks', 'resnet'],
      'Unet: resnetBlockGroups (8) must divide every width, but not so 4 (dim 4 × dimMults)',
    ],
    [
      'a size that the levels do not divide',
      [...tiny, '--dim-mults', '1,1,1', '--image-size', '6'],
      'Unet: height and width must be multiples of 4, since 3 levels halve them; got 6×6',
    ],
    [
      'a network that is not there',
      [...images, '--backend', 'cpu', '--network', 'no-such-network'],
      'network no-such-network cannot be found',
    ],
    [
      'a network option that is not allowed',
      [...tiny, '--network-options', '{"dim": 5}'],
      "Unet: dim must be an even number of at least 4 for the time's sinusoids, got 5",
    ],
    [
      'a schedule that cannot be',
      [...tiny, '--schedule', 'stretched-linear'],
      'stretchedLinearSchedule: timesteps must be above 20',
    ],
    [
      'an output folder that cannot be',
      [...tiny, '--out', join('images', '0.png', 'run')],
      'cannot be written to: a part of its path is not a folder',
    ],
    [
      'an output folder that is taken',
      [...tiny, '--out', 'images'],
      'images cannot be written to: it holds files already',
    ],
    [
      'a backend that is not installed',
      [...tiny, '--backend', 'tfjs-node-gpu'],
      'npm install @tensorflow/tfjs-node-gpu',
    ],
  ])('%s: exit code 1', (_, args, message) => {
    const before = readdirSync(folder);
    const { status, stderr } = run(...args);
    expect(stderr).toMatch(/^ddpm-train: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
    expect(readdirSync(folder)).toEqual(before);
  });

  test('a truncated dataset: exit code 1', () => {
    mkdirSync(join(folder, 'idx'));
    writeFileSync(
      join(folder, 'idx', 'train-images-idx3-ubyte'),
      Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3),
    );
    writeFileSync(join(folder, 'idx', 'train-labels-idx1-ubyte'), Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 1, 2));
    const { status, stderr } = run('--dataset', 'mnist', '--data-dir', 'idx', '--backend', 'cpu');
    expect(stderr).toMatch(/^ddpm-train: [^\n]*train-(images|labels)-idx[^\n]*\n$/);
    expect(status).toBe(1);
  });
});
