import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkSettings } from '@ddpm/app-common';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tableOf } from './table';
import { readInvocation, trainCommand } from './options';
import { presets } from './tasks';
import type { DenoiseSettings } from './tasks/denoise-options';
import { networkOptions } from './tasks/denoise-options';

const command = () =>
  trainCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
const invoke = (...args: string[]) => readInvocation(command().parse(args, { from: 'user' }).opts());
const parse = (...args: string[]) => invoke(...args).settings;

describe('settings', () => {
  test('of the tutorial preset are the tutorial’s run', () => {
    const tutorial = parse();
    expect(tutorial).toEqual({
      ...{
        dataset: 'fashion-mnist',
        flip: true,
        epochs: 5,
        batchSize: 128,
        learningRate: 1e-3,
        parameterisation: 'epsilon',
        loss: 'huber',
        weighting: 'none',
        levelSource: 'uniform',
        schedule: 'linear',
        timesteps: 200,
      },
      ...{ network: '@ddpm/unet', networkOptions: {}, dim: 28, dimMults: [1, 2, 4], blocks: 'convnext', blind: false },
      ...{ task: 'denoise', backend: 'auto', seed: 0 },
      ...{
        warmup: 0,
        decay: 'constant',
        weightDecay: 0,
        ema: 0.9999,
        accumulate: 1,
        validation: 0,
        checkpointEvery: 100,
        keep: 3,
        maxSkipped: 10,
      },
    });
    expect(networkOptions(tutorial, [28, 28, 1])).toEqual({
      channels: 1,
      seed: 0,
      dim: 28,
      dimMults: [1, 2, 4],
      useConvnext: true,
    });
  });
  test('are the preset’s, changed by the command line', () => {
    const settings = parse(
      '--preset',
      'quick',
      '--network',
      '@ddpm/unet',
      '--epochs',
      '2',
      '--dim-mults',
      '1,3',
      '--network-options',
      '{"convnextMult": 1}',
      '--blocks=resnet',
    );
    expect(settings).toMatchObject({ dataset: 'fashion-mnist-10k', epochs: 2, steps: undefined, dimMults: [1, 3] });
    expect(networkOptions(settings, [28, 28, 3])).toEqual({
      channels: 3,
      seed: 0,
      dimMults: [1, 3],
      useConvnext: false,
      convnextMult: 1,
    });
  });
  test('of a preset are among what the options allow', () => {
    for (const { kind, settings } of Object.values(presets))
      expect(() => checkSettings(tableOf(kind.name), { ...settings, task: kind.name })).not.toThrow();
  });
  test('of a preset are not those of another network', () => {
    expect(parse('--preset', 'quick')).toMatchObject({ network: '@ddpm/adm', classes: 'auto', labelDropout: 0.1 });
    const settings = parse('--preset', 'quick', '--network', './mlp.mjs');
    expect(settings).toMatchObject({ networkOptions: {}, classes: false });
    expect(settings).not.toHaveProperty('labelDropout');
    expect(parse('--preset', 'quick', '--network', './mlp.mjs', '--classes')).toMatchObject({ classes: true });
  });
  test('mirror only what the preset is made for, unless asked', () => {
    expect(['tutorial', 'quick'].map((preset) => parse('--preset', preset).flip)).toEqual([true, true]);
    expect(parse('--dataset', 'fashion-mnist').flip).toBe(true);
    for (const dataset of ['mnist', 'cifar10', 'folder']) {
      expect(parse('--preset', 'quick', '--dataset', dataset).flip).toBe(false);
      expect(parse('--dataset', dataset, '--flip').flip).toBe(true);
    }
    expect(parse('--no-flip').flip).toBe(false);
  });
  test('of quick are others for other data, but for what is asked for', () => {
    const recipe = (...args: string[]) => {
      const { parameterisation, weighting, gamma } = parse('--preset', 'quick', ...args) as unknown as DenoiseSettings;
      return { parameterisation, weighting, ...(gamma !== undefined && { gamma }) };
    };
    const garments = { parameterisation: 'velocity', weighting: 'none' };
    expect(recipe()).toEqual(garments);
    expect(recipe('--dataset', 'fashion-mnist-10k')).toEqual(garments);
    const folder = ['--dataset', 'folder', '--data-dir', 'images'];
    expect(recipe(...folder)).toEqual({ parameterisation: 'image', weighting: 'min-snr', gamma: 5 });
    expect(recipe(...folder, '--weighting', 'none')).toEqual({ parameterisation: 'image', weighting: 'none' });
    expect(recipe(...folder, '--parameterisation', 'velocity')).toMatchObject({ parameterisation: 'velocity' });
  });
  test('of another network are its own options alone', () => {
    const settings = parse('--network', './mlp.mjs', '--network-options', '{"width": 64, "seed": 5}');
    expect(networkOptions(settings, [28, 28, 1])).toEqual({ channels: 1, seed: 5, width: 64 });
  });
  test.each([
    ...[[16, 16, 1] as const, [28, 28, 2] as const, [32, 48, 4] as const, [64, 64, 4] as const, [36, 36, 2] as const],
    ...[[100, 100, 2] as const, [30, 30, 1] as const],
  ])('of quick make patches that suit images of %i×%i: of %i', (h, w, patchSize) => {
    expect(networkOptions(parse('--preset', 'quick'), [h, w, 3])).toMatchObject({ patchSize });
  });
  test('ask a network that learns the variance for twice the channels', () => {
    const settings = parse('--preset', 'quick', '--learn-sigma', '--loss', 'vlb', '--level-source', 'importance');
    expect(settings).toMatchObject({ learnSigma: true, loss: 'vlb', levelSource: 'importance', weighting: 'none' });
    expect(settings).not.toHaveProperty('gamma');
    expect(networkOptions(settings, [28, 28, 3])).toMatchObject({ channels: 3, outChannels: 6, patchSize: 2 });
    const unet = parse('--learn-sigma', '--loss', 'vlb');
    expect(networkOptions(unet, [28, 28, 3])).toMatchObject({ channels: 3, outDim: 6 });
    const other = parse('--network', './mlp.mjs', '--learn-sigma', '--loss', 'hybrid', '--weighting', 'min-snr');
    expect(other).toMatchObject({ weighting: 'min-snr', gamma: 5 });
    expect(networkOptions(other, [28, 28, 3])).toEqual({ channels: 3, outChannels: 6, seed: 0 });
  });

  test.each<[string[], string]>([
    [['--learn-sigma'], '--learn-sigma needs --loss hybrid or vlb, which train the variance; huber does not'],
    [['--loss', 'hybrid'], '--loss hybrid trains the variance that --learn-sigma asks for; without, it is l2'],
    [
      ['--loss', 'vlb', '--weighting', 'p2'],
      '--weighting and --gamma weigh the error of each level, which has no part in --loss vlb',
    ],
    [
      ['--loss', 'vlb', '--level-source', 'log-normal'],
      "--loss vlb is of a schedule's steps, and --level-source log-normal draws EDM's σ",
    ],
    [
      ['--preset', 'fast'],
      '--preset must be one of tutorial, quick, best, classifier, noised-classifier, pixel-art, fine-tune, autoencoder, ',
    ],
    [
      ['--dataset', 'fashion'],
      "--dataset must be one of fashion-mnist, fashion-mnist-10k, mnist, cifar10, pixel-art, emoji, folder, got 'fashion'",
    ],
    [
      ['--backend', 'opencl'],
      "--backend must be one of auto, compiled, webgpu, cuda, tfjs-node-gpu, tfjs-node, wasm, cpu, got 'opencl'",
    ],
    [
      ['--schedule', 'exponential'],
      '--schedule must be one of linear, stretched-linear, quadratic, stable-diffusion, sigmoid, cosine, velocity-cosine, linear-zero-snr, ',
    ],
    [['--loss', 'mse'], "--loss must be one of l1, l2, huber, pseudo-huber, hybrid, vlb, got 'mse'"],
    [['--channels', '2'], '--channels must be 1, 3 or 4, got 2'],
    [['--batch-size', '0'], '--batch-size must be a whole number of at least 1, got 0'],
    [['--epochs', 'ten'], "--epochs must be a whole number of at least 1, got 'ten'"],
    [['--epochs', '1', '--steps', '1'], '--epochs and --steps say the same thing; give one of them'],
    [['--learning-rate', '-1'], '--learning-rate must be a number above 0, got -1'],
    [['--learning-rate', '1e999'], '--learning-rate must be a number above 0, got Infinity'],
    [['--dim-mults', '1,x'], '--dim-mults must be a whole number of at least 1, got [1,"x"]'],
    [['--network-options', '{dim'], "--network-options must be a JSON object, got '{dim'"],
    [
      ['--network', './n.mjs', '--dim', '8'],
      '--dim shapes the U-Net alone; give another network its options by --network-options',
    ],
    [['extra'], 'too many arguments. Expected 0 arguments but got 1.'],
  ])('%j are refused', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });
});

describe('--config and --resume', () => {
  let folder: string;
  const write = (config: unknown) => {
    const path = join(folder, 'config.json');
    writeFileSync(path, typeof config === 'string' ? config : JSON.stringify(config));
    return path;
  };
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ddpm-options-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('the command line wins over the file, and the file over the preset', () => {
    const path = write({ preset: 'quick', network: '@ddpm/unet', batchSize: 16, dim: 8, epochs: 3 });
    expect(invoke('--config', path, '--dim', '12')).toMatchObject({
      preset: 'quick',
      settings: { dataset: 'fashion-mnist-10k', batchSize: 16, dim: 12, epochs: 3 },
    });
    expect(parse('--config', path, '--dim', '12').steps).toBeUndefined();
    expect(parse('--config', path, '--steps', '5')).toMatchObject({ steps: 5, epochs: undefined });
    expect(parse('--config', path, '--preset', 'tutorial').dataset).toBe('fashion-mnist');
    expect(parse('--config', path, '--dataset', 'mnist').flip).toBe(false);
    expect(parse('--config', write({ dataset: 'mnist' })).flip).toBe(false);
    expect(parse('--config', write({ dataset: 'mnist', flip: true })).flip).toBe(true);
  });

  test('a file may begin with a byte-order mark', () => {
    expect(parse('--config', write('\uFEFF{"batchSize": 3}')).batchSize).toBe(3);
  });

  test.each<[unknown, string]>([
    ['{', 'config.json is not JSON: '],
    [[1], 'config.json must hold a JSON object'],
    [{ bachSize: 3 }, 'config.json: bachSize is not a setting (did you mean batchSize?)'],
    [{ qqqqqqqqqq: 3 }, /config\.json: qqqqqqqqqq is not a setting$/.source],
    [{ dimMults: [1, 0] }, 'config.json: dimMults.1 must be a whole number of at least 1, got [1,0]'],
    [
      { loss: 'mse', seed: 0.5 },
      "config.json: loss must be one of l1, l2, huber, pseudo-huber, hybrid, vlb, got 'mse'; seed must be a whole number, got 0.5",
    ],
    [{ task: null }, '--task must be one of denoise, '],
    [
      { preset: 'fast' },
      '--preset must be one of tutorial, quick, best, classifier, noised-classifier, pixel-art, fine-tune, autoencoder, ',
    ],
    [{ epochs: 1, steps: 1 }, '--epochs and --steps say the same thing'],
  ])('%j is refused', (config, message) => {
    expect(() => parse('--config', write(config))).toThrow(
      message.startsWith('config\\') ? new RegExp(message) : message,
    );
  });

  test('a file that is not there is named', () => {
    expect(() => parse('--config', join(folder, 'none.json'))).toThrow(
      'none.json cannot be read: there is no such file or folder',
    );
  });

  test('a resumed run keeps its settings, but for what nothing done depends on', () => {
    const saved = JSON.parse(
      JSON.stringify({ preset: 'quick', ...parse('--preset', 'quick', '--network', '@ddpm/unet', '--dim', '8') }),
    ) as Record<string, unknown>;
    const resume = (...args: string[]) =>
      readInvocation(
        command()
          .parse(['--resume', 'run', ...args], { from: 'user' })
          .opts(),
        saved,
      );
    expect(resume('--steps', '500')).toMatchObject({ preset: 'quick', settings: { dim: 8, steps: 500 } });
    expect(resume('--steps', '500').settings.flip).toBe(true);
    expect(() => resume('--no-flip')).toThrow('--flip cannot change in a run that is resumed');
    expect(() => resume('--dim', '12', '--loss', 'l1')).toThrow(
      '--dim, --loss cannot change in a run that is resumed; only --data-dir, --epochs,',
    );
    expect(() => resume('--preset', 'quick')).toThrow('--resume takes its settings from the run');
  });

  test('--quiet and --json exclude each other', () => {
    expect(invoke('--json').output).toBe('json');
    expect(() => invoke('--json', '--quiet')).toThrow('--quiet and --json exclude each other');
  });
});
