import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import type * as ExecutionModule from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import type { Gradients } from '@ddpm/train';
import { expect, jest, test } from '@jest/globals';
import '@tensorflow/tfjs';

const reason = 'compileGradients: on the device webgpu: the GPU was lost (Device is lost.)';
/** The step in which a GPU is lost, which keeps what is learned. */
let last = Infinity;

const real: typeof ExecutionModule = await import('@ddpm/execution');
jest.unstable_mockModule('@ddpm/execution', () => ({
  ...real,
  async prepareExecution(...args: Parameters<typeof real.prepareExecution>) {
    const execution = await real.prepareExecution(...args);
    return {
      ...execution,
      async gradients(...of: Parameters<typeof execution.gradients>) {
        const gradients = await execution.gradients(...of);
        let taken = 0;
        const run = (...step: Parameters<Gradients>) =>
          ++taken > last ? Promise.reject(new Error(reason)) : gradients(...step);
        return Object.assign(run, { dispose: () => gradients.dispose() });
      },
    };
  },
}));
const { execute } = await import('./execute');

test('a device that is lost ends the run in one line, and its last checkpoint is gone on with', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-lost-'));
  mkdirSync(join(folder, 'images'));
  for (const i of [1, 2])
    writeFileSync(
      join(folder, 'images', `${i}.png`),
      encodePng({ width: 2, height: 2, channels: 1, data: Uint8Array.of(i, 40 * i, 90, 200) }),
    );
  const network = join(folder, 'mine.mjs');
  writeFileSync(
    network,
    `import * as tf from '${import.meta.resolve('@tensorflow/tfjs')}';
     export default () => ({ w: tf.variable(tf.scalar(0.1)), apply(x, t) { return tf.mul(x, this.w); } });`,
  );
  const settings = {
    ...{ dataset: 'folder', dataDir: join(folder, 'images'), network, timesteps: 2, batchSize: 2, blind: true },
    ...{ steps: 3, checkpointEvery: 1, sampleEvery: 0, validation: 0, backend: 'cpu', quiet: true },
  };
  try {
    const [lost, whole] = [join(folder, 'lost'), join(folder, 'whole')];
    last = 2;
    await expect(execute({ ...settings, out: lost })).rejects.toThrow(reason);
    expect((await readCheckpoint(join(lost, 'checkpoint.safetensors'))).step).toBe(2);
    last = Infinity;
    await execute({ resume: lost, quiet: true });
    await execute({ ...settings, out: whole });
    const [a, b] = await Promise.all([lost, whole].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))));
    expect([a.step, a.weights, a.state]).toEqual([3, b.weights, b.state]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
