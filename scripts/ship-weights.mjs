import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findCheckpoint, writeCheckpoint } from '../packages/checkpoint/dist/index.js';
import { root } from './pnpm.mjs';

/**
 * Writes the weights of a run to where they are shipped: to be used, not to be gone on with.
 * @param options.run the run folder; where none is given, one is trained by `ddpm-train` with these `args`
 * @param options.path the file
 * @param options.dtype F16 halves it
 */
export async function shipWeights({ run, args, path, dtype }) {
  if (run === undefined) {
    run = join(mkdtempSync(join(tmpdir(), 'ddpm-weights-')), 'run');
    const command = [join(root, 'apps', 'trainer', 'dist', 'cli.js'), ...args, '--out', run];
    const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
  const { checkpoint } = await findCheckpoint(run);
  const weights = new Map([...checkpoint.weights].map(([name, tensor]) => [name, { ...tensor, dtype }]));
  mkdirSync(dirname(path), { recursive: true });
  await writeCheckpoint(path, { ...checkpoint, weights, state: new Map() });
  console.log(`Written: ${path}, after ${checkpoint.step} steps`);
}
