import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import createAdm, { Unet2d } from '@ddpm/adm';
import type { Result } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import { writeCheckpoint } from '@ddpm/checkpoint';
import { Classifier } from '@ddpm/classifier';
import { savePipeline } from '@ddpm/diffusers';
import { epsilon, superResolution } from '@ddpm/diffusion';
import createGlide from '@ddpm/glide';
import { fromBytes, toBytes } from '@ddpm/images';
import { decodePng, encodePng } from '@ddpm/images/png';
import { parameterValues } from '@ddpm/layers';
import {
  classifierMeaningToJson,
  meaningToJson,
  noisedClassifierMeaningToJson,
  resized,
  scheduleLevels,
} from '@ddpm/models';
import { writeSafetensors } from '@ddpm/safetensors';
import { cosineSchedule } from '@ddpm/schedules';
import { trainWords } from '@ddpm/text';
import { toTorchStateDict, Unet } from '@ddpm/unet';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { zipSync } from 'fflate';

// The built command, run as people run it.
const cli = resolve('dist/cli.js');
const classNames = ['dark', 'light'];
let folder: string;

/** Gray pictures of 4×4, of which each is its number's own. */
const pixels = (i: number) => Uint8Array.from({ length: 16 }, (_, p) => (97 * i + 31 * p + (i % 7) * p * p) % 256);

/** A network's weights, none of which is zero: its last convolution begins so, and would draw the same of everything. */
const moved = async (network: object) =>
  new Map(
    [...(await parameterValues({ denoiser: network }))].map(([name, value], k) => [
      name,
      { ...value, data: value.data.map((old, i) => old + 0.1 * Math.sin(7 * i + k)) },
    ]),
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-evaluator-'));
  const pictures = Array.from({ length: 60 }, (_, i) => i);
  for (const name of classNames) mkdirSync(join(folder, 'pictures', name), { recursive: true });
  for (const i of pictures) {
    const png = encodePng({ width: 4, height: 4, channels: 1, data: pixels(i) });
    writeFileSync(join(folder, 'pictures', classNames[i % 2], `${i}.png`), png);
  }
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (60, 4, 4), }\n";
  const npy = Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from(`NUMPY\x01\0${String.fromCharCode(header.length)}\0${header}`, 'latin1'),
    ...pictures.map(pixels),
  ]);
  writeFileSync(join(folder, 'pictures.npz'), zipSync({ 'images.npy': npy }));

  const common = { step: 7, state: new Map() };
  const [unetOptions, classifierOptions] = [
    { dim: 4, dimMults: [1], channels: 1, classes: 2 },
    { classes: 2, widths: [8] },
  ];
  mkdirSync(join(folder, 'run'));
  writeFileSync(join(folder, 'run', 'report.html'), '<h1>run</h1>\n<script>1</script>');
  await writeCheckpoint(join(folder, 'run', 'checkpoint.safetensors'), {
    ...common,
    networks: { denoiser: { name: '@ddpm/unet', options: unetOptions } },
    meaning: meaningToJson({
      ...{ image: [4, 4, 1], parameterisation: epsilon, classNames },
      levels: scheduleLevels(cosineSchedule({ timesteps: 5 })),
    }),
    settings: { dataset: 'folder', dataDir: 'pictures' },
    weights: await parameterValues({ denoiser: new Unet(unetOptions) }),
  });

  mkdirSync(join(folder, 'captioned'));
  for (const i of pictures) {
    const png = encodePng({ width: 4, height: 4, channels: 1, data: pixels(i) });
    writeFileSync(join(folder, 'captioned', `${i}.png`), png);
    writeFileSync(join(folder, 'captioned', `${i}.txt`), i % 2 === 0 ? 'a dark one' : 'a light one');
  }
  const tokenizer = trainWords(['a dark one', 'a light one'], { size: 10, length: 4 });
  const glideOptions = {
    ...{ channels: 1, modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 1 },
    ...{ vocabularySize: tokenizer.vocabularySize, length: 4, textWidth: 4, textLayers: 1, textHeads: 1 },
  };
  const network = createGlide(glideOptions);
  const weights = await moved(network);
  mkdirSync(join(folder, 'words'));
  await writeCheckpoint(join(folder, 'words', 'checkpoint.safetensors'), {
    ...common,
    networks: { denoiser: { name: '@ddpm/glide', options: glideOptions } },
    meaning: meaningToJson({
      ...{ image: [4, 4, 1], parameterisation: epsilon },
      levels: scheduleLevels(cosineSchedule({ timesteps: 5 })),
      captions: { length: 4, tokenizer: tokenizer.json as JsonObject, dropout: 0.1 },
    }),
    settings: { dataset: 'folder', dataDir: 'captioned' },
    weights,
  });
  // A stage from 2×2 to 4×4, and what draws the small pictures, in its folder.
  const admOptions = { modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 1 };
  const levels = scheduleLevels(cosineSchedule({ timesteps: 5 }));
  for (const [name, image, options, lowRes] of [
    ['stage', [4, 4, 1], { ...admOptions, channels: 3, outChannels: 1 }, { size: [2, 2], maxAugmentation: 0.5 }],
    [join('stage', 'base'), [2, 2, 1], { ...admOptions, channels: 1 }, undefined],
  ] as const) {
    const made = createAdm({ ...options, channelMult: [1] });
    const network = lowRes ? superResolution(made) : made;
    mkdirSync(join(folder, name), { recursive: true });
    await writeCheckpoint(join(folder, name, 'checkpoint.safetensors'), {
      ...common,
      networks: { denoiser: { name: '@ddpm/adm', options: { ...options, channelMult: [1] } } },
      meaning: meaningToJson({ image, parameterisation: epsilon, levels, ...(lowRes && { lowRes }) }),
      settings: { dataset: 'folder', dataDir: 'pictures' },
      weights: await moved(network),
    });
  }
  await writeCheckpoint(join(folder, 'features.safetensors'), {
    ...common,
    networks: { classifier: { name: '@ddpm/classifier', options: classifierOptions } },
    meaning: classifierMeaningToJson({ image: [4, 4, 1], classNames }),
    settings: {},
    weights: await parameterValues({ classifier: new Classifier(classifierOptions) }),
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]) {
  const all = [cli, ...args, '--backend', 'cpu', '--features', 'features.safetensors'];
  return spawnSync(process.execPath, all, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, DDPM_CACHE_DIR: join(folder, 'cache') },
  });
}
const results = (...path: string[]) =>
  JSON.parse(readFileSync(join(folder, ...path, 'evaluation.json'), 'utf8')) as Result[];

describe('ddpm-evaluate', () => {
  test('measures a run against what it was trained on, and writes it down once', () => {
    const { status, stdout, stderr } = run('run', '-n', '24', '--steps', '2', '--sampler', 'ddim');
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toContain('Warning: run: 24 images are few');
    expect(stdout).toMatch(/It will take about \d+s: drawing \d+s, features of 84 images \d+s\n/);
    expect(stdout).toMatch(
      /Features: features\.safetensors \([0-9a-f]{12}\), 8 of each image; .* 60 .* folder; seed 0/,
    );
    const [result, ...others] = results('run');
    expect(others).toEqual([]);
    expect(result).toMatchObject({
      ...{ of: 'run', step: 7, n: 24, seed: 0 },
      how: { sampler: 'ddim', steps: 2, spacing: 'trailing', eta: 0, prior: 'standard' },
      features: { name: 'features.safetensors', width: 8 },
      reference: { dataset: 'folder', n: 60 },
      floor: { n: 24 },
    });
    for (const value of [result.frechetDistance, result.precision, result.recall, result.classAccuracy])
      expect(Number.isFinite(value)).toBe(true);
    // An image and 8 neighbours in each of ten rows, twice as large.
    const { width, height } = decodePng(new Uint8Array(readFileSync(join(folder, 'run', 'neighbours.png'))));
    expect([width, height]).toEqual([2 * (2 + 9 * 6), 2 * (2 + 10 * 6)]);

    expect(readdirSync(join(folder, 'run', 'tensorboard'))).toHaveLength(1);

    // The features of the 60 training images were kept.
    const again = run('run', '-n', '24', '--steps', '2', '--sampler', 'ddim');
    expect(again.stdout).toMatch(/features of 24 images/);
    expect(results('run')).toEqual([result]);
    const report = readFileSync(join(folder, 'run', 'report.html'), 'utf8');
    expect(report.split('after 7 steps: ddim, 2 steps, seed 0')).toHaveLength(2);
    expect(report).toMatch(/^<h1>run<\/h1>\n<section id="evaluation">[^]*<\/section>\n<script>1<\/script>$/);
    run('run', '-n', '24', '--steps', '2', '--sampler', 'ddim', '--seed', '1');
    expect(results('run').map(({ seed }) => seed)).toEqual([0, 1]);
  });

  test('draws from the captions of real images, once for each scale of guidance', () => {
    const { status, stdout, stderr } = run('words', '-n', '24', '--steps', '2', '--guidance', '1,3');
    expect([stderr, status]).toEqual(['', 0]);
    const [plain, guided, ...others] = results('words');
    expect(others).toEqual([]);
    expect([plain.how!.guidance, guided.how!.guidance]).toEqual([1, 3]);
    expect(plain.frechetDistance).not.toBe(guided.frechetDistance);
    expect(stdout).toMatch(/^words, guidance 3 /m);
    // The model as it is is what scale 1 draws.
    run('words', '-n', '24', '--steps', '2');
    expect(results('words')[2].frechetDistance).toBe(plain.frechetDistance);
  });

  test('draws small pictures, and large ones of them, beside what bicubic interpolation makes', () => {
    const { status, stdout, stderr } = run('stage', '-n', '24', '--steps', '2', '--augmentation', '0,0.3');
    expect([stderr, status]).toEqual(['', 0]);
    const all = results('stage');
    const base = join('stage', 'base');
    expect(all.map(({ cascade }) => cascade)).toEqual([
      { base, augmentation: 0 },
      { base, augmentation: 0.3 },
      { base, bicubic: true },
    ]);
    expect(all.map(({ how }) => how?.steps)).toEqual([2, 2, undefined]);
    expect(new Set(all.map(({ frechetDistance }) => frechetDistance)).size).toBe(3);
    expect(stdout).toContain(`stage, of ${base}, augmentation 0.3 `);
  });

  test('enlarges real images that were made small', () => {
    mkdirSync(join(folder, 'bicubic'));
    for (let i = 0; i < 60; i++) {
      const small = resized(fromBytes(pixels(i)), [4, 4, 1], [2, 2]);
      const data = toBytes(resized(small, [2, 2, 1], [4, 4]));
      writeFileSync(join(folder, 'bicubic', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
    }
    const { status, stderr } = run('stage', 'bicubic', '-n', '60', '--steps', '1', '--base', 'real', '--out', 'real');
    expect([stderr, status]).toEqual(['', 0]);
    const [stage, bicubic, pictures] = results('real');
    expect([stage.cascade, pictures.cascade]).toEqual([{ base: 'real', augmentation: 0.1 }, undefined]);
    expect(bicubic.frechetDistance).toBeCloseTo(pictures.frechetDistance, 6);
    expect(bicubic.frechetDistance).toBeGreaterThan(1e-3);
    expect(stage.frechetDistance).not.toBeCloseTo(pictures.frechetDistance, 6);
  });

  test('leads a model without classes by a classifier of noisy images, and counts how often that led to the class', async () => {
    // Dark or light, by the mean: it judges what it leads.
    const name = join(folder, 'shade.mjs');
    writeFileSync(
      name,
      `import * as tf from '${import.meta.resolve('@tensorflow/tfjs')}';
       export default () => ({ w: tf.variable(tf.tensor2d([[-9, 9]])),
         features: (x) => tf.reshape(x, [-1, 16]),
         logits(features) { return tf.matMul(tf.mean(features, 1, true), this.w); },
         apply(x) { return this.logits(this.features(x)); } });`,
    );
    const write = async (path: string, meaning: JsonObject) => {
      mkdirSync(join(folder, path));
      await writeCheckpoint(join(folder, path, 'checkpoint.safetensors'), {
        ...{ networks: { classifier: { name, options: {} } }, step: 3, settings: {}, state: new Map(), meaning },
        weights: new Map([['classifier.w', { shape: [1, 2], data: Float32Array.of(-9, 9) }]]),
      });
    };
    const levels = scheduleLevels(cosineSchedule({ timesteps: 5 }));
    await write('shades', noisedClassifierMeaningToJson({ image: [4, 4, 1], classNames, levels }));
    await write('judge', classifierMeaningToJson({ image: [4, 4, 1], classNames }));
    const options = { dim: 4, dimMults: [1], channels: 1 };
    mkdirSync(join(folder, 'classless'));
    await writeCheckpoint(join(folder, 'classless', 'checkpoint.safetensors'), {
      ...{ networks: { denoiser: { name: '@ddpm/unet', options } }, step: 7, state: new Map() },
      meaning: meaningToJson({ image: [4, 4, 1], parameterisation: epsilon, levels }),
      settings: { dataset: 'folder', dataDir: 'pictures' },
      weights: await parameterValues({ denoiser: new Unet(options) }),
    });
    const led = ['--classifier', 'shades', '--guidance', '0,30', '--sampler', 'ancestral', '-n', '24'];
    const { stderr } = spawnSync(
      process.execPath,
      [cli, 'classless', ...led, '--features', 'judge', '--backend', 'cpu'],
      { cwd: folder, encoding: 'utf8', env: { ...process.env, DDPM_CACHE_DIR: join(folder, 'cache') } },
    );
    expect(stderr).toBe('');
    const [free, guided] = results('classless');
    expect(guided.how).toMatchObject({ sampler: 'ancestral', classifier: 'shades', guidance: 30 });
    expect(free.classAccuracy).toBeLessThan(0.8);
    expect(guided.classAccuracy).toBeGreaterThan(0.95);
    expect(run('run', '--classifier', 'shades').stderr).toContain(
      '--classifier leads a model that takes no classes, and this one is told them',
    );
  });

  test('judges by pixels where nobody names features and images are not like those of Fashion-MNIST', () => {
    const args = ['pictures', '-n', '60', '--dataset', 'folder', '--data-dir', 'pictures', '--backend', 'cpu'];
    const { stdout } = spawnSync(process.execPath, [cli, ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, DDPM_CACHE_DIR: join(folder, 'cache') },
    });
    expect(stdout).toMatch(/Features: pixels \([0-9a-f]{12}\), 16 of each image/);
  });

  test('measures the bound of a model that has not learned its variance with either', () => {
    const { status, stdout, stderr } = run('run', '--bits-per-dim', '20');
    expect([stderr, status]).toEqual(['', 0]);
    const lines = [
      ...stdout.matchAll(/run: ([\d.]+) bits per dimension .* of 20 train images, 5 steps, variance (\w+)/g),
    ];
    expect(lines.map(([, , variance]) => variance)).toEqual(['lower', 'upper']);
    const bits = JSON.parse(readFileSync(join(folder, 'run', 'bits-per-dim.json'), 'utf8')) as {
      total: number;
      prior: number;
      terms: { t: number; vlb: number }[];
    }[];
    for (const [i, { total, prior, terms }] of bits.entries()) {
      expect(total.toFixed(4)).toBe(lines[i][1]);
      expect(terms.map(({ t }) => t)).toEqual([4, 3, 2, 1, 0]);
      expect(terms.reduce((sum, { vlb }) => sum + vlb, prior)).toBeCloseTo(total, 9);
    }
    expect(run('pictures', '--dataset', 'folder', '--data-dir', 'pictures', '--bits-per-dim', '5').stderr).toContain(
      '--bits-per-dim is of models, and pictures is of images',
    );
    expect(run('run', '--bits-per-dim', '61').stderr).toContain('--bits-per-dim 61: folder has 60 train images');
  });

  test('compares pictures, files and models in one table, and writes where it is told', () => {
    const from = ['--dataset', 'folder', '--data-dir', 'pictures', '--out', 'out', '--steps', '1'];
    const { status, stdout, stderr } = run(
      'pictures',
      'pictures.npz',
      join('run', 'checkpoint.safetensors'),
      '-n',
      '60',
      ...from,
    );
    expect([stderr, status]).toEqual(['', 0]);
    const rows = stdout.trimEnd().split('\n').slice(-5);
    expect(rows.map((row) => row.split(/ {2,}/)[0].trim())).toEqual([
      ...['', 'pictures', 'pictures.npz', join('run', 'checkpoint.safetensors'), 'real images'],
    ]);
    const [own, file, drawn] = results('out');
    // The very images that they are compared with.
    for (const { frechetDistance, precision, recall } of [own, file]) {
      expect(frechetDistance).toBeLessThan(1e-8);
      expect([precision, recall]).toEqual([1, 1]);
    }
    expect(drawn.frechetDistance).toBeGreaterThan(1e-3);
    expect([own.how, drawn.how!.sampler]).toEqual([undefined, 'dpm++2m']);
    expect(existsSync(join(folder, 'out', 'neighbours-pictures.png'))).toBe(true);
  });

  test('measures what diffusers saved, and a PyTorch state_dict', async () => {
    const unet = {
      ...{ in_channels: 1, out_channels: 1, sample_size: 4, layers_per_block: 1, block_out_channels: [4] },
    };
    const blocks = { down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D'], norm_num_groups: 2 };
    const config = { ...unet, ...blocks, add_attention: false };
    const scheduler = { _class_name: 'DDIMScheduler', num_train_timesteps: 8 };
    await savePipeline(join(folder, 'pipeline'), { unet: new Unet2d(config), config, scheduler });
    const stateDict = await toTorchStateDict(new Unet({ dim: 4, dimMults: [1], channels: 1 }));
    writeFileSync(join(folder, 'torch.safetensors'), writeSafetensors(stateDict));
    const from = ['--dataset', 'folder', '--data-dir', 'pictures', '-n', '20', '--steps', '2'];
    const told = ['--image-size', '4', '--timesteps', '9', '--schedule', 'cosine'];
    const { status, stdout, stderr } = run('pipeline', 'torch.safetensors', ...from, '--image-size', '4');
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).not.toContain('Results');
    run('torch.safetensors', ...from, ...told, '--out', 'theirs');
    expect(results('theirs')).toMatchObject([{ of: 'torch.safetensors', n: 20, how: { steps: 2 } }]);
    expect(results('theirs')[0]).not.toHaveProperty('step');
    expect(run('run', '--timesteps', '9').stderr).toBe(
      'ddpm-evaluate: --schedule and --timesteps are for a PyTorch state_dict; run tells its own\n',
    );
  });

  test.each([
    [['pictures'], 2, 'say by --dataset which real images to compare with'],
    [['absent'], 1, 'absent cannot be read: there is no such file or folder'],
    [['features.safetensors', '--dataset', 'folder'], 1, 'features.safetensors cannot be used: its meaning'],
    [
      ['pictures.npz', '-n', '99', '--dataset', 'folder', '--data-dir', 'pictures'],
      1,
      'pictures.npz has 60 images, fewer than 99',
    ],
    [['run', '--image-size', '8'], 1, 'run has images of 4×4×1, but those of folder are 8×8×1'],
    [['run', '-n', '3'], 2, '--count must be a whole number of at least 20, got 3'],
    [['run', '--sampler', 'heun', '--eta', '1'], 1, 'run: sampler heun has no η'],
    [['run', '--base', 'real'], 2, '--base is for a stage of a cascade, and run is none'],
    [['stage', '--augmentation', '0.7'], 2, '--augmentation: stage knows levels from 0 to 0.5, got 0.7'],
    [['stage', '--base', 'run'], 1, 'run draws images of 4×4×1, and stage takes 2×2×1'],
    [['run', '--guidance', '2'], 2, '--guidance needs a model that was trained to do without its classes'],
    [['run', '--guidance', '2,x'], 2, '--guidance must be numbers such as 1,2,4, got'],
    [['words', '--dataset', 'folder', '--data-dir', 'pictures'], 1, 'the model draws from words, and folder has no'],
  ])('%j is refused in one line', (args, code, message) => {
    const { status, stdout, stderr } = run(...args);
    expect(stderr).toContain(`ddpm-evaluate: ${message}`);
    expect([stderr.trimEnd().split('\n').length, status]).toEqual([1, code]);
    expect(stdout).not.toContain('Results');
  });
});
