import { describe, expect, test } from '@jest/globals';
import { networkOptions, settingsFrom, trainCommand } from './options';

const parse = (...args: string[]) =>
  settingsFrom(
    trainCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .parse(args, { from: 'user' })
      .opts(),
  );

describe('settings', () => {
  test('of the tutorial preset are the tutorial’s run', () => {
    const tutorial = parse();
    expect(tutorial).toEqual({
      ...{ dataset: 'fashion-mnist', epochs: 5, batchSize: 128, learningRate: 1e-3, loss: 'huber', schedule: 'linear', timesteps: 200 },
      ...{ network: '@ddpm/unet', networkOptions: {}, dim: 28, dimMults: [1, 2, 4], blocks: 'convnext', backend: 'auto', seed: 0 },
    });
    expect(networkOptions(tutorial, 1)).toEqual({ channels: 1, seed: 0, dim: 28, dimMults: [1, 2, 4], useConvnext: true });
  });
  test('are the preset’s, changed by the command line', () => {
    const settings = parse(
      '--preset',
      'quick',
      '--epochs',
      '2',
      '--dim-mults',
      '1,3',
      '--network-options',
      '{"convnextMult": 1}',
      '--blocks=resnet',
    );
    expect(settings).toMatchObject({ dataset: 'fashion-mnist-10k', epochs: 2, steps: undefined, dimMults: [1, 3] });
    expect(networkOptions(settings, 3)).toEqual({ channels: 3, seed: 0, dim: 28, dimMults: [1, 3], useConvnext: false, convnextMult: 1 });
  });
  test('of another network are its own options alone', () => {
    const settings = parse('--network', './mlp.mjs', '--network-options', '{"width": 64, "seed": 5}');
    expect(networkOptions(settings, 1)).toEqual({ channels: 1, seed: 5, width: 64 });
  });

  test.each<[string[], string]>([
    [['--preset', 'fast'], "--preset must be one of tutorial, quick, got 'fast'"],
    [['--dataset', 'fashion'], "--dataset must be one of fashion-mnist, fashion-mnist-10k, mnist, cifar10, folder, got 'fashion'"],
    [['--backend', 'cuda'], "--backend must be one of auto, compiled, tfjs-node-gpu, tfjs-node, wasm, cpu, got 'cuda'"],
    [['--schedule', 'exponential'], "--schedule must be one of linear, scaled-linear, quadratic, sigmoid, cosine, got 'exponential'"],
    [['--loss', 'mse'], "--loss must be one of l1, l2, huber, got 'mse'"],
    [['--batch-size', '0'], '--batch-size must be a whole number of at least 1, got 0'],
    [['--epochs', 'ten'], "--epochs must be a whole number of at least 1, got 'ten'"],
    [['--epochs', '1', '--steps', '1'], '--epochs and --steps say the same thing; give one of them'],
    [['--learning-rate', '-1'], '--learning-rate must be a number above 0, got -1'],
    [['--dim-mults', '1,x'], '--dim-mults must be a whole number of at least 1, got [1,"x"]'],
    [['--network-options', '{dim'], "--network-options must be a JSON object, got '{dim'"],
    [['--network', './n.mjs', '--dim', '8'], '--dim only shape the U-Net; give another network its options by --network-options'],
    [['extra'], 'too many arguments. Expected 0 arguments but got 1.'],
  ])('%j are refused', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });
});
