import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { decodePng, encodePng } from '@ddpm/images/png';
import { loadAutoencoder } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const cli = resolve('dist/cli.js');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-autoencode-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 10; i++) {
    const data = Uint8Array.from({ length: 16 }, (_, k) => (k % 4 < 2 ? 25 * i : 255 - 20 * i));
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const network = (kind: object) =>
  JSON.stringify({ blockOutChannels: [4, 4], normNumGroups: 2, latentChannels: 2, ...kind });
const small = ['--task', 'autoencoder', '--dataset', 'folder', '--data-dir', 'images', '--backend', 'cpu'];
const train = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });

test('a VQ autoencoder is trained with its codebook, shows its reconstructions, and goes on to the same bits', async () => {
  const settings = [
    ...[...small, '--network-options', network({ kind: 'vq', numVqEmbeddings: 5 }), '--batch-size', '4'],
    ...['--warmup', '0', '--validation', '2', '--sample-every', '6', '--checkpoint-every', '4', '--keep', '9'],
  ];
  const { status, stdout, stderr } = train(...settings, '--steps', '6', '--out', 'whole');
  expect([stderr, status]).toEqual(['', 0]);
  expect(stdout).toContain('parameters, to latents of 2×2×2');
  const last = readFileSync(join(folder, 'whole', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .at(-1)!;
  expect(Object.keys((JSON.parse(last) as { losses: object }).losses)).toEqual([
    ...['reconstruction', 'psnr', 'commitment', 'codesUsed'],
  ]);
  // Eight images, each beside its reconstruction.
  const preview = join(folder, 'whole', 'previews', 'step-000006.png');
  expect(existsSync(preview)).toBe(true);
  expect(decodePng(readFileSync(preview)).width).toBeGreaterThan(4 * 4 * 2);

  train(...settings, '--steps', '6', '--out', 'parts');
  rmSync(join(folder, 'parts', 'checkpoints', 'step-0000006.safetensors'));
  expect(train('--resume', 'parts')).toMatchObject({ status: 0, stderr: '' });
  const read = (run: string) => readCheckpoint(join(folder, run, 'checkpoint.safetensors'));
  const [whole, parts] = [await read('whole'), await read('parts')];
  expect(parts.weights).toEqual(whole.weights);
  expect(parts.state).toEqual(whole.state);
  const { network: loaded, image } = await loadAutoencoder(whole);
  expect([image, loaded.latentChannels, loaded.factor]).toEqual([[4, 4, 1], 2, 2]);
  expect(whole.weights.get('autoencoder.quantize.embedding.weight')!.shape).toEqual([5, 2]);
});

test.each([
  [
    [...small, '--network-options', network({ kind: 'kl' }), '--commitment', '1'],
    '--commitment is for VQ autoencoders, and this network is none',
  ],
  [
    [...small, '--network-options', network({ kind: 'vq' }), '--kl-weight', '1'],
    '--kl-weight is for KL autoencoders, and this network is none',
  ],
  [
    [...small, '--network-options', network({ kind: 'kl', blockOutChannels: [4, 4, 4, 4] })],
    'AutoencoderKl: height and width must be multiples of 8, got 4×4',
  ],
  [[...small, '--network', '@ddpm/unet', '--network-options', '{"dim": 4}'], 'has no encode and decode'],
])('%j is refused in one line', (args, message) => {
  const { status, stderr } = train(...args);
  expect(stderr).toContain(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(status).toBeGreaterThan(0);
});
