import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { loadDenoiser, meaningFromJson } from '@ddpm/models';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execute } from '../execute';

let folder: string;
const run = (name: string) => join(folder, name);
const common = { ...{ validation: 0, sampleEvery: 0, quiet: true, backend: 'cpu' }, checkpointEvery: 2 };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-few-steps-'));
  for (const name of ['dark', 'light']) {
    mkdirSync(join(folder, 'images', name), { recursive: true });
    for (let i = 0; i < 3; i++) {
      const data = new Uint8Array(16).fill(name === 'dark' ? 20 + i : 230 + i);
      writeFileSync(join(folder, 'images', name, `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
    }
  }
  await execute({
    ...{ ...common, preset: 'quick', dataset: 'folder', dataDir: join(folder, 'images'), batchSize: 2, steps: 2 },
    ...{ timesteps: 16, classes: true, out: run('teacher') },
    networkOptions: { modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 2 },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each([
  ['distill', { teacherSteps: 8, halvings: 2 }, { sampler: 'ddim', steps: 2, spacing: 'trailing' }],
  ['consistency', { deltaStages: 2 }, { sampler: 'lcm', steps: 2, spacing: 'trailing' }],
])('--task %s', (task, own, sampling) => {
  test('has the data and the weights of --from, ends at the same bits when it is resumed, and says how to draw', async () => {
    const whole = run(task);
    await execute({ ...common, ...own, task, from: run('teacher'), batchSize: 2, steps: 6, out: whole });
    const read = () => readCheckpoint(join(whole, 'checkpoint.safetensors'));
    const straight = await read();
    expect(straight.settings).toMatchObject({ dataset: 'folder', dataDir: join(folder, 'images'), batchSize: 2 });
    const first = await readCheckpoint(join(run('teacher'), 'checkpoint.safetensors'));
    expect(straight.networks).toEqual(first.networks);
    expect([...straight.weights.keys()]).toEqual([...first.weights.keys()]);
    const { sampling: said, labelDropout, classNames } = meaningFromJson(straight.meaning);
    expect([said, labelDropout, classNames]).toEqual([sampling, 0.1, ['dark', 'light']]);

    // The last checkpoint that is left is in the middle of a stage.
    rmSync(join(whole, 'checkpoints', 'step-0000006.safetensors'));
    await execute({ resume: whole, quiet: true });
    const resumed = await read();
    expect([resumed.weights, resumed.state]).toEqual([straight.weights, straight.state]);
    expect(resumed.weights).not.toEqual(first.weights);
    const { network } = await loadDenoiser(resumed, { bases: [import.meta.url] });
    expect(network.conditions).toEqual(['label']);
  });

  test('refuses, in one line, no model, another network, epochs and what the data lack', async () => {
    const options = { ...common, ...own, task, batchSize: 2, out: run('none') };
    await expect(execute({ ...options, dataset: 'folder', dataDir: join(folder, 'images') })).rejects.toThrow(
      `--task ${task} begins with a denoiser: name its run by --from`,
    );
    const from = { ...options, from: run('teacher') };
    await expect(execute({ ...from, network: '@ddpm/unet' })).rejects.toThrow(
      `--network: --task ${task} takes the network of the run that --from names`,
    );
    await expect(execute({ ...from, epochs: 2 })).rejects.toThrow('--epochs: stages are parts of --steps here');
    await expect(execute({ ...from, dataset: 'folder', dataDir: join(folder, 'images', 'dark') })).rejects.toThrow(
      `--task ${task}: the model knows the classes dark, light, and the dataset others or none`,
    );
  });
});

test('a student of a student begins with the steps that it was tuned for', async () => {
  const options = { ...common, task: 'distill', batchSize: 2, steps: 1, from: run('distill') };
  await execute({ ...options, halvings: 1, out: run('again') });
  const { settings, meaning } = await readCheckpoint(join(run('again'), 'checkpoint.safetensors'));
  expect([settings.teacherSteps, meaningFromJson(meaning).sampling?.steps]).toEqual([2, 1]);
  await expect(execute({ ...options, halvings: 2, out: run('none') })).rejects.toThrow(
    "--halvings 2: the teacher's 2 steps cannot be halved so often",
  );
});
