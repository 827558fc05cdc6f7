// Trains for a thousand steps and more, and shows how the memory of the process grows, as ps tells it (Linux and
// macOS):
// node scripts/memory-test.mjs [--steps 1200] [--backend compiled]
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { root } from './pnpm.mjs';

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '1200' }, backend: { type: 'string', default: 'compiled' } },
});
const folder = mkdtempSync(join(tmpdir(), 'ddpm-memory-'));
const settings = [
  ...[
    '--dataset',
    'fashion-mnist-10k',
    '--dim',
    '8',
    '--dim-mults',
    '1,2',
    '--batch-size',
    '16',
    '--timesteps',
    '50',
    '--ema',
    '0.999',
  ],
  ...[
    '--validation',
    '64',
    '--validate-every',
    '200',
    '--sample-every',
    '300',
    '--checkpoint-every',
    '50',
    '--backend',
    values.backend,
  ],
];
const child = spawn(
  process.execPath,
  [join(root, 'apps', 'trainer', 'dist', 'cli.js'), ...settings, '--steps', values.steps, '--json'],
  {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
/** Resident memory of the trainer in MB, as the system's own tool tells. */
const resident = () =>
  Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' })) / 1024);

const readings = [];
for await (const line of createInterface({ input: child.stdout })) {
  const { event, step } = JSON.parse(line);
  if (event === 'step' && step % 100 === 50) readings.push([step, resident()]);
}
rmSync(folder, { recursive: true });
console.log(readings.map(([step, megabytes]) => `step ${step}: ${megabytes} MB`).join('\n'));
