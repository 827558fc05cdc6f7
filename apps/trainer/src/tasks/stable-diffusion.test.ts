import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { loadDenoiser, pipelineCheckpoint } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execute } from '../execute';

// A tiny Stable Diffusion with random weights, as diffusers saves it, whose images are of 16×16.
const from = '../../packages/diffusers/test/golden/stable-diffusion';
let folder: string;
const run = (name: string) => join(folder, name);
const read = (name: string) => readCheckpoint(join(run(name), 'checkpoint.safetensors'));
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-stable-diffusion-'));
  mkdirSync(run('pictures'));
  process.env.DDPM_CACHE_DIR = run('cache');
  for (let i = 0; i < 3; i++) {
    const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, k) => (k * (i + 3) * 5) % 256);
    writeFileSync(join(run('pictures'), `${i}.png`), encodePng({ width: 16, height: 16, channels: 3, data }));
  }
  const lines = ['red apple', 'blue cat', 'green'].map((text, i) => JSON.stringify({ file_name: `${i}.png`, text }));
  writeFileSync(join(run('pictures'), 'metadata.jsonl'), lines.join('\n'));
});
afterAll(() => {
  delete process.env.DDPM_CACHE_DIR;
  rmSync(folder, { recursive: true });
});

/** Which networks have weights that are not those that they began with. */
function changed(before: Awaited<ReturnType<typeof read>>['weights'], after: typeof before): string[] {
  const names = [...before].flatMap(([name, { data }]) =>
    Buffer.compare(
      Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      Buffer.from(after.get(name)!.data.slice().buffer),
    ) === 0
      ? []
      : [name],
  );
  return [...new Set(names.map((name) => name.split('.').slice(0, 2).join('.')))];
}
const common = () => ({
  ...{ from, dataDir: run('pictures'), validation: 0, sampleEvery: 0, batchSize: 2, quiet: true, backend: 'compiled' },
});

test('gets updates of its attention and convolutions by --lora alone, by the names of diffusers, or is fine-tuned whole', async () => {
  await execute({
    ...common(),
    lora: 2,
    loraLayers: 'attn2.to[QV]|block.conv1',
    latents: 'sample',
    steps: 1,
    out: run('lora'),
  });
  const [base, updated] = [await pipelineCheckpoint(from), await read('lora')];
  expect(changed(base.weights, updated.weights)).toEqual([]);
  const own = [...updated.weights.keys()].filter((name) => !base.weights.has(name));
  expect(own.every((name) => /^lora\.unet\..*\.(down|up)$/.test(name))).toBe(true);
  const bytes = readFileSync(join(run('lora'), 'lora.safetensors'));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + bytes.readUInt32LE())) as Record<string, unknown>;
  expect(Object.keys(header).length).toBe(own.length + 1);
  for (const name of [
    'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.lora_A.weight',
    'unet.mid_block.resnets.1.conv1.lora_B.weight',
  ])
    expect(header).toHaveProperty([name]);
  expect(updated.meaning).toMatchObject({
    latents: { image: [16, 16, 3], scalingFactor: 0.18215 },
    lora: { alpha: 2 },
  });

  await execute({ ...common(), preset: 'fine-tune', learningRate: 0.01, ema: 0, steps: 1, out: run('whole') });
  const whole = await read('whole');
  expect(changed(base.weights, whole.weights)).toEqual(['denoiser.unet']);
  const { network, captions, latents } = await loadDenoiser(whole, { bases: [import.meta.url] });
  expect([network.conditions, captions!.length, latents!.image]).toEqual([['tokens'], 12, [16, 16, 3]]);
});
