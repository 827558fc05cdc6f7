import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { mergeLora, readLora } from '@ddpm/lora';
import { loadDenoiser, loraNames } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { execute } from '../execute';

let folder: string;
const run = (name: string) => join(folder, name);
const common = { ...{ validation: 0, sampleEvery: 0, quiet: true, backend: 'cpu' }, checkpointEvery: 2, batchSize: 2 };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-lora-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 4; i++) {
    const data = new Uint8Array(16).fill(40 * i);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
  }
  await execute({
    ...{ ...common, preset: 'quick', dataset: 'folder', dataDir: join(folder, 'images'), steps: 2, timesteps: 16 },
    ...{ classes: false, out: run('base') },
    networkOptions: { modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 2 },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (name: string) => readCheckpoint(join(run(name), 'checkpoint.safetensors'));
const says = async (name: string, change?: (network: object) => void) => {
  const { network } = await loadDenoiser(await read(name), { bases: [import.meta.url] });
  change?.(network);
  return [...network.apply(tf.ones([1, 4, 4, 1]), tf.tensor1d([5])).dataSync()];
};
const near = (a: readonly number[], b: readonly number[]) => a.every((value, i) => Math.abs(value - b[i]) < 1e-5);

test('trains updates alone, beside the weights of --from; both stand in the checkpoint, the updates in a file too', async () => {
  const options = { ...common, task: 'lora', lora: 2, loraAlpha: 6, learningRate: 0.1, steps: 6, from: run('base') };
  await execute({ ...options, loraLayers: 'conv', out: run('lora') });
  const [base, checkpoint] = [await read('base'), await read('lora')];
  for (const [name, { data }] of base.weights) expect([name, checkpoint.weights.get(name)!.data]).toEqual([name, data]);
  const updates = [...checkpoint.weights.keys()].filter((name) => !base.weights.has(name));
  expect(updates.length).toBeGreaterThan(2);
  expect(updates.every((name) => /^lora\..*[cC]onv.*\.(down|up)$/.test(name))).toBe(true);

  const merged = await says('lora');
  const [plain, added] = [
    await says('base'),
    await says('base', (network) => {
      const lora = readLora(network, readFileSync(join(run('lora'), 'lora.safetensors')), loraNames(network));
      expect(lora.size).toBe(updates.length / 2);
      mergeLora(network, [{ lora }]);
    }),
  ];
  expect(near(merged, plain)).toBe(false);
  expect(near(merged, added)).toBe(true);

  // The last checkpoint that is left is not the last.
  rmSync(join(run('lora'), 'checkpoints', 'step-0000006.safetensors'));
  await execute({ resume: run('lora'), quiet: true });
  const resumed = await read('lora');
  expect([resumed.weights, resumed.state]).toEqual([checkpoint.weights, checkpoint.state]);
});

test('refuses layers that there are none of, and no pattern', async () => {
  const options = { ...common, task: 'lora', steps: 1, from: run('base'), out: run('none') };
  await expect(execute({ ...options, loraLayers: 'nowhere' })).rejects.toThrow(
    'lora: no layer of the network is to be updated',
  );
  await expect(execute({ ...options, loraLayers: '(' })).rejects.toThrow(
    "--lora-layers must be a regular expression, got '('",
  );
});
