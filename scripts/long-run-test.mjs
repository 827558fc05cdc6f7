// Shows that a long run is resumed and saved as fast as a short one: makes run folders of a thousand and of a million
// steps, goes on with each for some steps with checkpoints, and compares the times.
//   node scripts/long-run-test.mjs [--steps 1000000]
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './pnpm.mjs';

const { values } = parseArgs({ options: { steps: { type: 'string', default: '1000000' } } });
const { findCheckpoint, saveCheckpoint } = await import(
  pathToFileURL(join(root, 'packages', 'checkpoint', 'dist', 'index.js')).href
);
const cli = join(root, 'apps', 'trainer', 'dist', 'cli.js');
const folder = mkdtempSync(join(tmpdir(), 'ddpm-long-'));
const settings = [
  ...[
    '--dataset',
    'fashion-mnist-10k',
    '--image-size',
    '8',
    '--dim',
    '4',
    '--dim-mults',
    '1',
    '--timesteps',
    '8',
    '--batch-size',
    '4',
  ],
  ...['--steps', '2', '--checkpoint-every', '2', '--sample-every', '0', '--backend', 'cpu'],
];

/** Steps that are taken in each resume, and between two checkpoints; resumes of each run that are timed. */
const [MORE, EVERY, ROUNDS] = [20, 5, 4];

/** Makes a run folder as if it had taken so many steps. */
async function longRun(run, steps) {
  const { status, stderr } = spawnSync(process.execPath, [cli, ...settings, '--out', run], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  const path = join(folder, run);
  const { checkpoint } = await findCheckpoint(path);
  await saveCheckpoint(path, { ...checkpoint, step: steps, settings: { ...checkpoint.settings, steps } }, { keep: 1 });
  const [line] = readFileSync(join(path, 'metrics.jsonl'), 'utf8').split('\n');
  const metrics = JSON.parse(line);
  const file = openSync(join(path, 'metrics.jsonl'), 'w');
  for (let step = 0; step < steps; step += 10_000) {
    let text = '';
    for (let i = step; i < Math.min(steps, step + 10_000); i++)
      text += `${JSON.stringify({ ...metrics, step: i, loss: (1 + 0.5 * Math.sin(i)) / Math.log(i + 10) })}\n`;
    writeSync(file, text);
  }
  closeSync(file);
  rmSync(join(path, 'history.json'));
}

/** Goes on with a run; resolves to the seconds until its first step, and those of the quickest checkpoint. */
function resume({ run, done }) {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const args = ['--resume', run, '--steps', String(done + MORE), '--checkpoint-every', String(EVERY), '--json'];
    const child = spawn(process.execPath, [cli, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    let first, last;
    let checkpoint = Infinity;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { event, step } = JSON.parse(line);
      if (event !== 'step') return;
      const now = performance.now();
      first ??= (now - begin) / 1000;
      // A checkpoint is written after its step was told of.
      if (last !== undefined && step % EVERY === 0) checkpoint = Math.min(checkpoint, (now - last) / 1000);
      last = now;
    });
    child.on('close', (code) => (code === 0 ? resolve({ first, checkpoint }) : reject(new Error(`exit code ${code}`))));
  });
}

try {
  const runs = [];
  for (const steps of [1000, Number(values.steps)]) {
    const run = `run-${steps}`;
    await longRun(run, steps);
    const { first } = await resume({ run, done: steps });
    const megabytes = (statSync(join(folder, run, 'metrics.jsonl')).size / 1e6).toFixed(1);
    console.log(
      `${steps.toLocaleString('en')} steps: resumed in ${first.toFixed(2)} s where ${megabytes} MB of metrics are read to make its history`,
    );
    runs.push({ run, steps, done: steps + MORE, first: Infinity, checkpoint: Infinity });
  }
  // In turns, and the least of them, since the machine may be busy with something else.
  for (let round = 0; round < ROUNDS; round++) {
    for (const run of runs) {
      const { first, checkpoint } = await resume(run);
      run.done += MORE;
      run.first = Math.min(run.first, first);
      run.checkpoint = Math.min(run.checkpoint, checkpoint);
    }
  }
  for (const { steps, first, checkpoint } of runs)
    console.log(
      `${steps.toLocaleString('en')} steps: resumed in ${first.toFixed(2)} s; a checkpoint takes ${checkpoint.toFixed(2)} s`,
    );
  const [short, long] = runs;
  for (const name of ['first', 'checkpoint']) {
    if (long[name] <= 1.5 * short[name]) continue;
    console.log(`The time of a ${name === 'first' ? 'resume' : name} grows with the length of the run.`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
