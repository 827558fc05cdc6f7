import { fileURLToPath } from 'node:url';
import type { Execution, ImageShape, Progress } from '@ddpm/app-common';
import { createProgress, prepareExecution, schedules } from '@ddpm/app-common';
import type { ModelDescription } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Dataset, Progress as DownloadProgress } from '@ddpm/datasets';
import { batchCount, datasetSplits, openDataset } from '@ddpm/datasets';
import type { Network, TrainEngine } from '@ddpm/diffusion';
import { adam, inParts, minSnrWeights, pLossesPerImage, trainEngine } from '@ddpm/diffusion';
import { namedParameters, parameterCount } from '@ddpm/layers';
import type { NoiseSchedule } from '@ddpm/schedules';
import type * as tf from '@tensorflow/tfjs';
import { checkNetwork } from './check-network';
import type { Settings } from './options';
import { networkOptions } from './options';
import type { Reporter } from './reporter';
import type { Resumed } from './resume';
import { subset } from './validation';

/** What a run is made of, once everything that could be refused has been tried. */
export interface Run {
  readonly preset: string;
  readonly settings: Settings;
  readonly dataset: Dataset;
  readonly validation?: Dataset;
  readonly imageShape: ImageShape;
  readonly schedule: NoiseSchedule;
  readonly model: ModelDescription;
  readonly network: Network;
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly execution: Execution;
  readonly engine: TrainEngine;
  /** Images in a step. */
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  readonly steps: number;
}

/**
 * Opens the dataset, makes the network and the engine that trains it; nothing is written.
 * @param resumed the run that is gone on with
 */
export async function prepare(preset: string, settings: Settings, reporter: Reporter, resumed?: Resumed): Promise<Run> {
  const schedule = schedules[settings.schedule]({ timesteps: settings.timesteps });
  const { dataset, validation } = await openData(settings, reporter);
  const [h, w, channels] = dataset.shape;
  const heldOut = validation ? `, ${validation.size.toLocaleString('en')} held out` : '';
  reporter.say(`Dataset: ${settings.dataset}, ${dataset.size.toLocaleString('en')} images of ${h}×${w}×${channels}${heldOut}`);

  const before = resumed?.checkpoint.model;
  if (before && before.imageShape.join() !== dataset.shape.join())
    throw new Error(
      `${resumed.folder} was trained on images of ${before.imageShape.join('×')}, but these are of ${dataset.shape.join('×')}`,
    );

  const execution = await prepareExecution(settings.backend);
  reporter.say(execution.reason);

  const reference = { name: settings.network, options: networkOptions(settings, channels), folder: before?.network.folder };
  const network = await loadNetwork<Network>(reference, { run: resumed?.folder, bases: [fileURLToPath(import.meta.url)] });
  const parameters = namedParameters(network);
  const { timesteps, blind } = settings;
  await checkNetwork(network, { name: settings.network, parameters, execution, imageShape: dataset.shape, timesteps, blind });
  reporter.say(`Network: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters`);

  const batchSize = settings.batchSize * settings.accumulate;
  const batchesPerEpoch = batchCount(dataset, batchSize);
  const parts = { preset, settings, dataset, validation, imageShape: dataset.shape, schedule, network, parameters, execution };
  return {
    ...parts,
    model: { network: reference, imageShape: [h, w, channels], objective: 'epsilon' },
    engine: await makeEngine(parts),
    batchSize,
    batchesPerEpoch,
    steps: stepsOf(settings, batchesPerEpoch),
  };
}

/** The length of a run. */
export const stepsOf = ({ steps, epochs = 1 }: Pick<Settings, 'steps' | 'epochs'>, batchesPerEpoch: number) =>
  steps ?? epochs * batchesPerEpoch;

/** The training images, and those held out: of the test split where the dataset has one, otherwise its last images. */
async function openData(
  { dataset: name, dataDir, imageSize, channels, validation: held }: Settings,
  reporter: Reporter,
): Promise<{ dataset: Dataset; validation?: Dataset }> {
  const bars = downloadBars();
  const onSkipped = (line: string) => reporter.warn(line);
  const open = (split: 'train' | 'test') => openDataset(name, { dataDir, imageSize, channels, split, onSkipped, onProgress: bars.show });
  try {
    const whole = await open('train');
    if (held === 0) return { dataset: whole };
    if (datasetSplits[name].includes('test')) {
      const test = await open('test');
      if (held < test.size) return { dataset: whole, validation: subset(test, 0, held) };
      return { dataset: whole, validation: test };
    }
    if (held >= whole.size) throw new RangeError(`--validation holds out ${held} images, but ${name} has only ${whole.size}`);
    const kept = whole.size - held;
    return { dataset: subset(whole, 0, kept), validation: subset(whole, kept, whole.size) };
  } finally {
    bars.stop();
  }
}

/** A bar for each file that is downloaded. */
function downloadBars() {
  let shown: { name: string; bar: Progress } | undefined;
  return {
    show: ({ name, received, total }: DownloadProgress) => {
      if (name !== shown?.name) {
        shown?.bar.stop();
        shown = { name, bar: createProgress({ label: `Downloading ${name} (bytes)`, total }) };
      }
      shown.bar.update(received);
    },
    stop: () => shown?.bar.stop(),
  };
}

/** The engine that trains the network. */
async function makeEngine({
  settings,
  imageShape,
  schedule,
  network,
  parameters,
  execution,
  dataset,
}: Omit<Run, 'model' | 'engine' | 'batchSize' | 'batchesPerEpoch' | 'steps'>): Promise<TrainEngine> {
  const weights = settings.minSnr === undefined ? undefined : minSnrWeights(schedule, 'epsilon', settings.minSnr);
  const lossFunction = (x: tf.Tensor4D, noise: tf.Tensor4D, t: tf.Tensor1D) =>
    pLossesPerImage(schedule, network, x, t, noise, { loss: settings.loss, weights });
  const { gradients, dispose } = await execution.gradients(
    lossFunction,
    parameters,
    imageShape,
    Math.min(settings.batchSize, dataset.size),
  );
  const initial = new Map<string, Float32Array>();
  for (const [name, variable] of parameters) initial.set(name, await variable.data<'float32'>());
  return trainEngine({
    parameters: initial,
    gradients: inParts(gradients, settings.batchSize),
    optimizer: adam({ weightDecay: settings.weightDecay }),
    clipNorm: settings.clipNorm,
    emaDecay: settings.ema,
    dispose: () => void dispose(),
  });
}
