// Kills real training runs at random moments, resumes each, and compares the final weights with those of a run that was
// left alone.
//   node scripts/crash-test.mjs [--runs 50] [--backend compiled] [--seed 1] [--full-disk]
// --full-disk trains into a file system of 3 MB (Linux, as root) until it is full, then frees it and resumes.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './pnpm.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '50' },
    backend: { type: 'string', default: 'compiled' },
    seed: { type: 'string', default: '1' },
    'full-disk': { type: 'boolean', default: false },
  },
});
const cli = join(root, 'apps', 'trainer', 'dist', 'cli.js');
const folder = mkdtempSync(join(tmpdir(), 'ddpm-crash-'));
const settings = [
  ...[
    '--dataset',
    'fashion-mnist-10k',
    '--image-size',
    '8',
    '--dim',
    '4',
    '--dim-mults',
    '1,2',
    '--timesteps',
    '20',
    '--batch-size',
    '16',
  ],
  ...[
    '--steps',
    '150',
    '--checkpoint-every',
    '5',
    '--sample-every',
    '0',
    '--ema',
    '0.999',
    '--decay',
    'cosine',
    '--backend',
    values.backend,
  ],
];
const train = (...args) => spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
const weights = (run) => readFileSync(join(folder, run, 'checkpoint.safetensors'));

// A small generator of its own (mulberry32), so that a failure can be repeated as far as the timing allows.
let state = Number(values.seed);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** Trains until the moment comes, then kills; resolves to whether it was still running. */
function killed(args, milliseconds) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [cli, ...args], { cwd: folder, stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
    child.on('close', (_, signal) => {
      clearTimeout(timer);
      resolve(signal === 'SIGKILL');
    });
  });
}

const begin = performance.now();
const { status, stderr } = train(...settings, '--out', 'whole');
if (status !== 0) throw new Error(stderr);
const length = performance.now() - begin;
const expected = weights('whole');
console.log(`A run left alone takes ${(length / 1000).toFixed(1)} s.`);

let [identical, interrupted, resumedFrom] = [0, 0, []];
for (let i = 0; i < Number(values.runs); i++) {
  const run = `run-${i}`;
  if (await killed([...settings, '--out', run], random() * length)) interrupted++;
  // Every third is killed again while it goes on, and every fifth loses a part of its newest checkpoint.
  if (i % 3 === 2 && existsSync(join(folder, run, 'checkpoint.safetensors')))
    await killed(['--resume', run], random() * length);
  const checkpoints = join(folder, run, 'checkpoints');
  const saved = existsSync(checkpoints)
    ? readdirSync(checkpoints)
        .filter((name) => name.startsWith('step-'))
        .sort()
    : [];
  if (i % 5 === 4 && saved.length > 1) truncateSync(join(checkpoints, saved.at(-1)), Math.floor(random() * 20000));
  resumedFrom.push(saved.length > 0 ? Number(/\d+/.exec(saved.at(-1))[0]) : 0);

  // Killed before its first checkpoint, a run has nothing to go on from and is begun anew.
  if (saved.length === 0) rmSync(join(folder, run), { recursive: true, force: true });
  const end = saved.length > 0 ? train('--resume', run) : train(...settings, '--out', run);
  const same = end.status === 0 && weights(run).equals(expected);
  if (same) identical++;
  else console.log(`${run}: differs (exit code ${end.status}) ${end.stderr}`);
  rmSync(join(folder, run), { recursive: true, force: true });
}
console.log(
  `${interrupted} of ${values.runs} were killed while they ran, after ${resumedFrom.join(', ')} saved steps.`,
);
console.log(`${identical} of ${values.runs} ended with bit-identical weights.`);
if (identical !== Number(values.runs)) process.exitCode = 1;

if (values['full-disk']) {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]);
  try {
    writeFileSync(join(disk, 'ballast'), new Uint8Array(1_000_000));
    const full = train(...settings, '--out', join('disk', 'run'));
    console.log(
      `On a full disk: exit code ${full.status}; ${[...full.stdout.matchAll(/Warning: .*/g), full.stderr.trim()].join(' | ')}`,
    );
    rmSync(join(disk, 'ballast'));
    const resumed = train('--resume', join('disk', 'run'));
    const same = resumed.status === 0 && weights(join('disk', 'run')).equals(expected);
    console.log(
      `Once there was room: ${same ? 'bit-identical weights' : `differs (exit code ${resumed.status}) ${resumed.stderr}`}.`,
    );
    if (!same) process.exitCode = 1;
  } finally {
    execFileSync('umount', [disk]);
  }
}
rmSync(folder, { recursive: true });
