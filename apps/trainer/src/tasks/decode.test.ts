import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { namedParameters } from '@ddpm/layers';
import { loadDenoiser } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execute } from '../execute';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-decode-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 4; i++) {
    const data = new Uint8Array(16).fill(80 * i);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
    writeFileSync(join(folder, 'images', `${i}.txt`), ['black', 'gray', 'light', 'white'][i]);
  }
  await execute({
    ...{ ...common(), task: 'clip', steps: 1, out: join(folder, 'clip'), batchSize: 4 },
    ...{ vocabularySize: 10, captionLength: 2 },
    networkOptions: { patchSize: 2, width: 8, layers: 1, heads: 2, features: 6 },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const common = () => ({
  ...{ dataset: 'folder', dataDir: join(folder, 'images'), validation: 0, quiet: true, backend: 'cpu' },
  ...{ warmup: 0, decay: 'constant' },
});
const options = () => ({
  ...{ ...common(), task: 'decoder', timesteps: 10, batchSize: 2, vectorDropout: 0.5, clip: join(folder, 'clip') },
  networkOptions: {
    ...{ modelChannels: 4, channelMult: [1], numResBlocks: 1, attentionResolutions: [], numHeads: 1, groups: 2 },
    contextWidth: 4,
  },
});

test('its checkpoints hold the CLIP as it was; one that is resumed ends at the bits of one that was not', async () => {
  const [half, whole] = ['half', 'whole'].map((name) => join(folder, name));
  await execute({ ...options(), steps: 1, out: half, sampleEvery: 1 });
  await execute({ resume: half, steps: 2, quiet: true });
  await execute({ ...options(), steps: 2, out: whole, sampleEvery: 0 });
  const [resumed, straight, clip] = await Promise.all(
    [half, whole, join(folder, 'clip')].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([resumed.weights, resumed.state, resumed.meaning]).toEqual([
    straight.weights,
    straight.state,
    straight.meaning,
  ]);
  for (const [name, { data }] of clip.weights) expect(straight.weights.get(name)!.data).toEqual(data);
  const { network, encoder, clip: meaning } = await loadDenoiser(straight, { run: whole, bases: [import.meta.url] });
  expect([network.conditions, meaning!.features, meaning!.dropout]).toEqual([['imageEmbedding'], 6, 0.5]);
  expect(namedParameters({ clip: encoder! }).size).toBe(clip.weights.size);
});

test('refuses to go without a CLIP, or with one of other images', async () => {
  const { clip: _, ...without } = options();
  await expect(execute({ ...without, steps: 1, out: join(folder, 'none') })).rejects.toThrow(
    "--task decoder decodes a CLIP's vectors: name the run of ddpm-train --task clip by --clip",
  );
  await expect(execute({ ...options(), imageSize: 8, steps: 1, out: join(folder, 'large') })).rejects.toThrow(
    /clip is of images of 4×4×1, and these are of 8×8×1/,
  );
});
