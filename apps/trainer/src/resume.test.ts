import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readCheckpoint, writeCheckpoint } from '@ddpm/checkpoint';
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

  test.each([1, 4])(
    'a run that is killed after %i checkpoints goes on to bit-identical weights',
    async (checkpoints) => {
      const run = `killed-${backend}-${checkpoints}`;
      await trainUntil(run, backend, checkpoints, 'SIGKILL');
      const { status, stderr } = train('--resume', run);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(weights(run).equals(weights(whole))).toBe(true);
      expect(lines(run)).toBe(24);
    },
  );

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
    writeFileSync(
      join(folder, 'damaged', 'lock.json'),
      JSON.stringify({ pid: other.pid, host: (await import('node:os')).hostname() }),
    );
    const { status, stderr } = train('--resume', 'damaged', '--steps', '30');
    other.kill();
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `ddpm-train: damaged is in use by another trainer (process ${other.pid}); if that is no trainer, remove ${join('damaged', 'lock.json')}\n`,
    });
  });

  test('without a run is refused', () => {
    const { status, stderr } = train('--resume', 'images');
    expect(stderr).toMatch(/^ddpm-train: images holds no run: [^\n]+\n$/);
    expect(status).toBe(1);
  });
});

describe('a run that has been trained', () => {
  /** Every file in a folder, with what it holds and when that was written. */
  const contents = (run: string) =>
    readdirSync(join(folder, run), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path, statSync(path).mtimeMs, readFileSync(path, 'base64')]);
  const refuses = (status: number, message: string, ...args: string[]) => {
    const before = contents('done');
    const result = train('--resume', ...args);
    expect({ status: result.status, stderr: result.stderr }).toEqual({
      status,
      stderr: message && `ddpm-train: ${message}\n`,
    });
    expect(contents('done')).toEqual(before);
    return result.stdout;
  };
  beforeAll(() => void train(...settings, '--backend', 'cpu', '--out', 'done'));

  test('says that nothing is left, and stays as it is', () => {
    expect(refuses(0, '', 'done')).toContain('Nothing is left to do: done has been trained for all of its 24 steps');
    refuses(0, '', 'done', '--steps', '24');
  });

  test('killed while it saved its last checkpoint has that as its own, and gets its report', () => {
    cpSync(join(folder, 'done'), join(folder, 'unreported'), { recursive: true });
    const owed = ['history.json', 'loss.png', 'report.html'];
    for (const name of owed) rmSync(join(folder, 'unreported', name));
    const checkpoints = join(folder, 'unreported', 'checkpoints');
    const saved = readdirSync(checkpoints);
    copyFileSync(join(checkpoints, 'step-0000022.safetensors'), join(folder, 'unreported', 'checkpoint.safetensors'));
    expect(train('--resume', 'unreported')).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(join(folder, 'unreported'))).toEqual(expect.arrayContaining(owed));
    expect(weights('unreported').equals(weights('done'))).toBe(true);
    expect(readdirSync(checkpoints)).toEqual(saved);
    expect(lines('unreported')).toBe(24);
  });

  test('keeps its best weights where its metrics were lost', async () => {
    cpSync(join(folder, 'done'), join(folder, 'lost'), { recursive: true });
    for (const name of ['history.json', 'metrics.jsonl']) rmSync(join(folder, 'lost', name));
    const path = join(folder, 'lost', 'best.safetensors');
    const validated = /"validationLoss":([^,}]+)/g;
    const losses = [...readFileSync(join(folder, 'done', 'metrics.jsonl'), 'utf8').matchAll(validated)].map((match) =>
      Number(match[1]),
    );
    const best = await readCheckpoint(path);
    expect(best.state).toEqual(new Map([['validationLoss', Float64Array.of(Math.min(...losses))]]));
    // Better than what is to come.
    await writeCheckpoint(path, { ...best, state: new Map([['validationLoss', Float64Array.of(0)]]) });
    const before = readFileSync(path);
    expect(train('--resume', 'lost', '--steps', '26')).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('stays as it is where it is to be shorter', () => {
    refuses(
      1,
      'done has been trained for 24 steps already, more than the 10 asked for; it stays as it is',
      'done',
      '--steps',
      '10',
    );
    // Of 18 images, at 4 a step.
    refuses(
      1,
      'done has been trained for 24 steps already, more than the 5 asked for; it stays as it is',
      'done',
      '--epochs',
      '1',
    );
  });

  test('is resumed by its folder, not by a file in it', () => {
    for (const file of [
      join('done', 'checkpoint.safetensors'),
      join('done', 'checkpoints', 'step-0000024.safetensors'),
    ])
      refuses(2, `${file} is a file, and a run goes on from its newest checkpoint: --resume done`, file);
  });

  test('does not go on with images of another size', () => {
    mkdirSync(join(folder, 'larger'));
    for (let i = 0; i < 8; i++)
      writeFileSync(
        join(folder, 'larger', `${i}.png`),
        encodePng({ width: 8, height: 4, channels: 1, data: new Uint8Array(32) }),
      );
    refuses(
      1,
      'done was trained on images of 4×4×1, but these are of 4×8×1',
      'done',
      '--data-dir',
      'larger',
      '--steps',
      '30',
    );
  });

  test('does not go on with a checkpoint of another run, or with another config.json', () => {
    train(...settings, '--backend', 'cpu', '--seed', '1', '--out', 'other');
    cpSync(join(folder, 'done'), join(folder, 'mixed'), { recursive: true });
    writeFileSync(join(folder, 'mixed', 'config.json'), readFileSync(join(folder, 'other', 'config.json')));
    const file = join('mixed', 'checkpoints', 'step-0000024.safetensors');
    expect(train('--resume', 'mixed', '--steps', '30').stderr).toBe(
      `ddpm-train: ${join('mixed', 'config.json')} says seed 1, but ${file} was made with 0: either the one was changed or the other is of another run\n`,
    );
    copyFileSync(join(folder, 'done', 'config.json'), join(folder, 'mixed', 'config.json'));
    expect(train('--resume', 'mixed', '--steps', '25').status).toBe(0);
  });

  test('goes on for longer, and says how the rate jumps where its decay ended with it', () => {
    cpSync(join(folder, 'done'), join(folder, 'longer'), { recursive: true });
    const { status, stdout } = train('--resume', 'longer', '--steps', '30');
    expect(status).toBe(0);
    // 0.001 (1 + cos(π (24 − 3) / (30 − 3))) / 2
    expect(stdout).toContain(
      'Warning: the learning rate of step 24 becomes 0.000117 instead of 0, since --decay cosine now ends after 30 steps, not 24\n',
    );
    expect(lines('longer')).toBe(30);
  });

  test('has a config.json that makes the same run again', () => {
    expect(train('--config', join('done', 'config.json'), '--out', 'again')).toMatchObject({ status: 0, stderr: '' });
    expect(weights('again').equals(weights('done'))).toBe(true);
    expect(readFileSync(join(folder, 'again', 'config.json'))).toEqual(
      readFileSync(join(folder, 'done', 'config.json')),
    );
  });
});

describe('a network that is a file', () => {
  test('is found from anywhere, and after all of it moved; one that has become another is refused in one short line', () => {
    // It lies where @tensorflow/tfjs can be found from.
    const home = mkdtempSync(join(resolve('.'), '.network-'));
    const network = (parameters: string) =>
      `import * as tf from '@tensorflow/tfjs';
       export default () => {
         const parameters = ${parameters};
         return { parameters, apply: (xt) => tf.mul(xt, tf.addN(Object.values(parameters))) };
       };`;
    const options = [
      '--network',
      './net.mjs',
      '--blind',
      '--backend',
      'cpu',
      '--sample-every',
      '0',
      '--timesteps',
      '6',
      '--batch-size',
      '4',
    ];
    const data = ['--dataset', 'folder', '--data-dir', join(folder, 'images')];
    const from = (cwd: string, ...args: string[]) =>
      spawnSync(process.execPath, [cli, ...args], { cwd, encoding: 'utf8' });
    try {
      mkdirSync(join(home, 'project'));
      writeFileSync(
        join(home, 'project', 'net.mjs'),
        network('{ a: tf.variable(tf.scalar(1)), b: tf.variable(tf.scalar(1)) }'),
      );
      expect(
        from(join(home, 'project'), ...data, ...options, '--steps', '2', '--out', join('runs', '1')),
      ).toMatchObject({ status: 0 });
      expect(from(folder, '--resume', join(home, 'project', 'runs', '1'), '--steps', '3')).toMatchObject({
        status: 0,
        stderr: '',
      });
      renameSync(join(home, 'project'), join(home, 'moved'));
      const run = join(home, 'moved', 'runs', '1');
      expect(from(folder, '--resume', run, '--steps', '4')).toMatchObject({ status: 0, stderr: '' });

      const many =
        'Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`weight${i}`, tf.variable(tf.scalar(0))]))';
      writeFileSync(join(home, 'moved', 'net.mjs'), network(many));
      const { stderr } = from(folder, '--resume', run, '--steps', '5');
      expect(stderr).toMatch(/step-0000004\.safetensors does not fit this run: [^\n]+; and \d+ more\n$/);
      expect(stderr.length).toBeLessThan(800);

      rmSync(join(home, 'moved', 'net.mjs'));
      expect(from(folder, '--resume', run, '--steps', '5').stderr).toMatch(
        /^ddpm-train: network \.\/net\.mjs cannot be found: there is no \S+moved[\\/]net\.mjs and no \S+net\.mjs\n$/,
      );
    } finally {
      rmSync(home, { recursive: true });
    }
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
      const args = [
        cli,
        '--dataset',
        'folder',
        '--data-dir',
        join(folder, 'images'),
        '--timesteps',
        '6',
        '--batch-size',
        '4',
        ...options,
      ];
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [...args, '--loss', 'l2', '--sample-every', '0', '--out', 'run'],
        {
          cwd: home,
          encoding: 'utf8',
        },
      );
      if (status === 0) throw new Error(`the loss stayed finite: ${stdout}`);
      const [, step, saved] =
        /stopped at step (\d+): 3 steps in a row had no finite loss and gradient; the last good checkpoint is after (\d+) steps in run/.exec(
          stderr,
        ) ?? [];
      expect(Number(step)).toBe(Number(saved) + 2);
      expect(stdout).toContain(`Warning: step ${saved} was skipped: its loss is NaN`);
      expect(status).toBe(1);
      expect(readdirSync(join(home, 'run', 'checkpoints')).at(-1)).toBe(`step-${saved.padStart(7, '0')}.safetensors`);

      const first = spawnSync(
        process.execPath,
        [...args, '--sample-every', '0', '--checkpoint-every', '40', '--out', 'first'],
        {
          cwd: home,
          encoding: 'utf8',
        },
      );
      expect(first.stderr).toMatch(
        /3 steps in a row had no finite loss and gradient; there is no checkpoint in first yet\n$/,
      );
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
