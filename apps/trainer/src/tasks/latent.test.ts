import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { prepareExecution } from '@ddpm/execution';
import { decodePng, encodePng } from '@ddpm/images/png';
import { compileLatents, loadDenoiser, meaningFromJson } from '@ddpm/models';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { execute } from '../execute';

let folder: string;
const run = (name: string) => join(folder, name);
const common = {
  ...{ validation: 1, validateEvery: 4, sampleEvery: 0, quiet: true, backend: 'cpu' },
  checkpointEvery: 2,
  batchSize: 2,
};
const denoiser = {
  ...{ preset: 'quick', timesteps: 16, classes: false, steps: 4 },
  networkOptions: { patchSize: 1, modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 2 },
};
const data = () => ({ dataset: 'folder', dataDir: run('images') });
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-latent-'));
  process.env.DDPM_CACHE_DIR = run('cache');
  mkdirSync(run('images'));
  for (let i = 0; i < 7; i++) {
    const pixels = Uint8Array.from({ length: 64 }, (_, k) => (k * (i + 3) * 5) % 256);
    writeFileSync(join(run('images'), `${i}.txt`), `number ${i}`);
    writeFileSync(join(run('images'), `${i}.png`), encodePng({ width: 8, height: 8, channels: 1, data: pixels }));
  }
  const network = {
    kind: 'kl',
    blockOutChannels: [2, 2],
    normNumGroups: 1,
    latentChannels: 3,
    midBlockAddAttention: false,
  };
  await execute({
    ...common,
    ...data(),
    task: 'autoencoder',
    networkOptions: network,
    steps: 2,
    out: run('autoencoder'),
  });
});
afterAll(() => {
  delete process.env.DDPM_CACHE_DIR;
  rmSync(folder, { recursive: true });
});
const read = (name: string) => readCheckpoint(join(run(name), 'checkpoint.safetensors'));

test.each(['mean', 'sample'])(
  'learns latents (%s) of the standard deviation 1, and its run folder holds the autoencoder and goes on without it',
  async (latents) => {
    const options = { ...common, ...data(), ...denoiser, latents };
    await execute({ ...options, autoencoder: run('autoencoder'), out: run(latents) });
    const [straight, autoencoder] = [await read(latents), await read('autoencoder')];
    expect(Object.keys(straight.networks)).toEqual(['denoiser', 'autoencoder']);
    for (const [name, { data: values }] of autoencoder.weights)
      expect([name, straight.weights.get(name)!.data]).toEqual([name, values]);

    const loaded = await loadDenoiser(straight, { bases: [import.meta.url] });
    expect([loaded.image, loaded.latents!.image]).toEqual([
      [4, 4, 3],
      [8, 8, 1],
    ]);
    const compiled = compileLatents(await prepareExecution('cpu'), loaded.latents!, loaded.autoencoder!);
    const pictures = tf.tidy(() =>
      tf.concat(
        Array.from({ length: 7 }, (_, i) =>
          tf.tensor4d(
            Float32Array.from({ length: 64 }, (_value, k) => ((k * (i + 3) * 5) % 256) / 127.5 - 1),
            [1, 8, 8, 1],
          ),
        ),
      ),
    );
    // Of the means of the Gaussians, or of what is drawn from them.
    const { mean, variance } = tf.moments(await compiled.encode(pictures));
    const logVariance = tf.split(await compiled.encodings(pictures), 2, 3)[1];
    const drawn = tf.mean(tf.exp(logVariance)).dataSync()[0] * loaded.latents!.scalingFactor ** 2;
    const whole = variance.dataSync()[0] + (latents === 'sample' ? drawn : 0);
    expect(Math.abs(mean.dataSync()[0])).toBeLessThan(0.3);
    expect(whole).toBeGreaterThan(0.6);
    expect(whole).toBeLessThan(1.5);
    const back = await compiled.decode(await compiled.encode(pictures));
    expect(tf.max(tf.abs(tf.sub(back, loaded.autoencoder!.network.apply(pictures)))).dataSync()[0]).toBeLessThan(1e-4);

    // Those of the training images and of the one that is held out; both trainings have the same.
    const kept = () =>
      readdirSync(join(run('cache'), 'latents')).map((name) => [
        name,
        statSync(join(run('cache'), 'latents', name)).mtimeMs,
      ]);
    const before = kept();
    expect(before).toHaveLength(2);

    rmSync(join(run(latents), 'checkpoints', 'step-0000004.safetensors'));
    await execute({ resume: run(latents), quiet: true });
    const resumed = await read(latents);
    expect([resumed.weights, resumed.state, resumed.meaning]).toEqual([
      straight.weights,
      straight.state,
      straight.meaning,
    ]);
    expect(kept()).toEqual(before);
  },
);

test('previews are images, and what does not fit is refused in one line', async () => {
  const options = { ...common, ...data(), ...denoiser, out: run('none'), steps: 1 };
  await expect(execute({ ...options, autoencoder: run('mean') })).rejects.toThrow(
    /--autoencoder .* cannot be used: its meaning is not that of an autoencoder/,
  );
  await expect(execute({ ...options, autoencoder: run('autoencoder'), imageSize: 4 })).rejects.toThrow(
    /--autoencoder .* is of images of 8×8×1, and these are of 4×4×1/,
  );
  // From words; and a run that begins with another has its autoencoder.
  const words = {
    ...{ ...common, ...data(), task: 'text-to-image', steps: 1, vocabularySize: 20, captionLength: 4, timesteps: 16 },
    networkOptions: {
      ...{ patchSize: 1, modelChannels: 4, channelMult: [1], numResBlocks: 1, attentionResolutions: [1], numHeads: 1 },
      ...{ groups: 2, textWidth: 4, textLayers: 1, textHeads: 1 },
    },
  };
  await execute({ ...words, autoencoder: run('autoencoder'), latents: 'sample', sampleEvery: 1, out: run('shown') });
  await execute({ ...common, ...data(), validation: 0, from: run('shown'), steps: 1, out: run('on') });
  const [first, second] = [await read('shown'), await read('on')];
  expect(meaningFromJson(first.meaning)).toMatchObject({ image: [4, 4, 3], captions: { length: 4 } });
  expect([second.meaning.latents, second.settings.latents]).toEqual([first.meaning.latents, 'sample']);
  const { width, height } = decodePng(readFileSync(join(run('shown'), 'previews', 'step-000001.png')));
  expect(Math.min(width, height)).toBeGreaterThan(4 * 8);
});
