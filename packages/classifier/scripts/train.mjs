// Trains the classifier of Fashion-MNIST that is shipped in weights/, and writes it there: minutes on two idle cores. The
// packages must be built, and the dataset be there or within reach.
//   node scripts/train.mjs [run folder]    with a run folder, writes the weights of a run that was trained before
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCheckpoint, writeCheckpoint } from '../../checkpoint/dist/index.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
let [run] = process.argv.slice(2);
if (run === undefined) {
  run = join(mkdtempSync(join(tmpdir(), 'ddpm-classifier-')), 'run');
  const args = ['--preset', 'classifier', '--validation', '10000', '--out', run];
  const { status } = spawnSync(process.execPath, [here('../../../apps/trainer/dist/cli.js'), ...args], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
const { checkpoint } = await findCheckpoint(run);
// To be used, not to be gone on with.
await writeCheckpoint(here('../weights/fashion-mnist.safetensors'), { ...checkpoint, state: new Map() });
console.log(`Written: weights/fashion-mnist.safetensors, after ${checkpoint.step} steps`);
