import type { Settings } from './table';

/** The tutorial's run, exactly; that samples come from the average of the weights does not change the training. */
export const tutorial: Settings = {
  dataset: 'fashion-mnist',
  flip: true,
  epochs: 5,
  batchSize: 128,
  learningRate: 1e-3,
  parameterisation: 'epsilon',
  loss: 'huber',
  schedule: 'linear',
  timesteps: 200,
  network: '@ddpm/unet',
  networkOptions: {},
  dim: 28,
  dimMults: [1, 2, 4],
  blocks: 'convnext',
  blind: false,
  backend: 'auto',
  seed: 0,
  warmup: 0,
  decay: 'constant',
  weightDecay: 0,
  ema: 0.9999,
  accumulate: 1,
  validation: 0,
  checkpointEvery: 100,
  keep: 3,
  maxSkipped: 10,
};

/** Where a run's settings may start from. */
export const presets: Readonly<Record<string, Settings>> = {
  tutorial,
  /** A first run, in a few minutes on two cores and without a download. */
  quick: {
    ...tutorial,
    ...{ dataset: 'fashion-mnist-10k', epochs: undefined, steps: 1000, batchSize: 16, schedule: 'stretched-linear' },
    ...{
      learningRate: 4e-3,
      warmup: 100,
      decay: 'cosine',
      clipNorm: 1,
      minSnr: 5,
      sampleEvery: 500,
      checkpointEvery: 250,
    },
  },
};

/** A preset for what is asked for: whether mirrored images are still right, it knows of its own dataset alone. */
export function presetFor(name: string, { dataset }: Readonly<Record<string, unknown>>): Settings {
  const preset = presets[name];
  return dataset === undefined || dataset === preset.dataset ? preset : { ...preset, flip: false };
}
