import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { arrayDataset, readExamples } from '@ddpm/datasets';
import { prepareExecution } from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import { loadDenoiser } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execute } from '../execute';
import { readInvocation } from '../options';
import { superResolve } from './super-resolve';
import { createReporter } from '../reporter';

const reporter = createReporter('quiet');

const tiny = {
  ...{ task: 'super-resolution', timesteps: 10, fromSize: 2 },
  networkOptions: { modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 2 },
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-super-resolve-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 4; i++) {
    const data = Uint8Array.from({ length: 16 }, (_, k) => (37 * i + 90 * (k % 4)) % 256);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

test('is told each image as a small picture, with noise; its preview shows both', async () => {
  const pixels = Uint8Array.from({ length: 64 }, (_, i) => (i % 32 < 16 ? 40 : 200));
  const dataset = arrayDataset({ pixels, shape: [4, 4, 1] });
  const execution = await prepareExecution('cpu');
  const make = (options: object) => {
    const { settings } = readInvocation({ ...tiny, ...options });
    return superResolve.make({ settings, dataset, execution, reporter });
  };
  const training = await make({ maxAugmentation: 0 });
  const examples = await readExamples(dataset, Int32Array.of(0, 1));
  const { lowRes, augmentation, image } = training.task.draw(examples, new Random(0));
  // Of one shade, they stay as they are.
  expect(lowRes.data).toEqual(image.data);
  expect([...augmentation.data]).toEqual([0, 0]);
  const { width } = await training.preview!();
  // Four pictures, each beside what it becomes.
  expect(width).toBeGreaterThan(2 * 3 * 4);
  await training.dispose();
  const efficient = await make({
    network: '@ddpm/imagen',
    networkOptions: { modelChannels: 4, channelMult: [1], numResBlocks: [1], groups: 2, numHeads: 1 },
  });
  expect(efficient.networks.denoiser.options).toMatchObject({ channels: 3, outChannels: 1 });
  await efficient.dispose();
  await expect(make({ fromSize: 4 })).rejects.toThrow('--from-size 4 is to be smaller than the images, which are 4×4');
});

test('a run is a stage that opens again, and one that is resumed ends at the bits of one that was not', async () => {
  const options = {
    ...{ ...tiny, dataset: 'folder', dataDir: join(folder, 'images'), batchSize: 2, flip: false },
    ...{ warmup: 0, decay: 'constant' },
    ...{ sampleEvery: 0, quiet: true, backend: 'cpu' },
  };
  const [half, whole] = ['half', 'whole'].map((name) => join(folder, name));
  await execute({ ...options, steps: 1, out: half });
  await execute({ resume: half, steps: 2, quiet: true });
  await execute({ ...options, steps: 2, out: whole });
  const [one, other] = await Promise.all(
    [half, whole].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([...one.weights.keys()][0]).toMatch(/^denoiser\.network\./);
  expect(one.meaning.lowRes).toEqual({ size: [2, 2], maxAugmentation: 0.5 });
  expect([one.weights, one.state]).toEqual([other.weights, other.state]);
  const { network, lowRes } = await loadDenoiser(other, { run: whole });
  expect(network.conditions).toEqual(['lowRes', 'augmentation']);
  expect(lowRes!.size).toEqual([2, 2]);
});
