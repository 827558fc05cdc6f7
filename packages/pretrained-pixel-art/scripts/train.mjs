// Trains the model that is shipped in weights/, and writes it there: twenty minutes or so on two idle cores. The packages
// must be built.
//   node scripts/train.mjs [run folder]    with a run folder, writes the weights of a run that was trained before
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCheckpoint, writeCheckpoint } from '../../checkpoint/dist/index.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
let [run] = process.argv.slice(2);
if (run === undefined) {
  run = join(mkdtempSync(join(tmpdir(), 'ddpm-pretrained-')), 'run');
  const args = ['--preset', 'pixel-art', '--out', run];
  const { status } = spawnSync(process.execPath, [here('../../../apps/trainer/dist/cli.js'), ...args], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
const { checkpoint } = await findCheckpoint(run);
// To be used, not to be gone on with; half precision changes no image that can be told apart.
const weights = new Map([...checkpoint.weights].map(([name, tensor]) => [name, { ...tensor, dtype: 'F16' }]));
mkdirSync(here('../weights'), { recursive: true });
await writeCheckpoint(here('../weights/checkpoint.safetensors'), { ...checkpoint, weights, state: new Map() });
console.log(`Written: weights/checkpoint.safetensors, after ${checkpoint.step} steps`);
