import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Execution, ImageShape } from '@ddpm/app-common';
import { createProgress, formatSeconds, prepareExecution } from '@ddpm/app-common';
import type { ModelDescription } from '@ddpm/checkpoint';
import { createFolder, loadNetwork, writeCheckpoint, writeFileAtomic } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { batchCount, batches, openDataset } from '@ddpm/datasets';
import type { Network, TrainEngine } from '@ddpm/diffusion';
import { pLossesPerImage, train, trainEngine } from '@ddpm/diffusion';
import { loadParameters, namedParameters, parameterCount } from '@ddpm/layers';
import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs';
import { createMetrics } from './metrics';
import type { Settings } from './options';
import { networkOptions, schedules } from './options';
import { writePreview } from './previews';

/** What a run is made of, once everything that could be refused has been tried. */
interface Run {
  readonly settings: Settings;
  readonly dataset: Dataset;
  readonly imageShape: ImageShape;
  readonly schedule: NoiseSchedule;
  readonly model: ModelDescription;
  readonly network: Network;
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly execution: Execution;
  readonly batchesPerEpoch: number;
  readonly steps: number;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Trains as the settings say, and leaves all of it in one run folder. */
export async function run(settings: Settings, preset: string): Promise<void> {
  const made = await prepare(settings);
  const engine = await makeEngine(made);
  try {
    const folder = await createFolder(settings.out === undefined ? { prefix: join('runs', preset) } : { path: settings.out });
    say(`Run folder: ${folder}`);
    await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify({ ...settings, model: made.model }, null, 2)}\n`);
    await trainInto(folder, made, engine);
  } finally {
    engine.dispose();
  }
}

async function prepare(settings: Settings): Promise<Run> {
  const schedule = schedules[settings.schedule]({ timesteps: settings.timesteps });
  const dataset = await open(settings);
  const [h, w, channels] = dataset.shape;
  say(`Dataset: ${settings.dataset}, ${dataset.size.toLocaleString('en')} images of ${h}×${w}×${channels}`);

  const execution = await prepareExecution(settings.backend);
  say(execution.reason);

  const reference = { name: settings.network, options: networkOptions(settings, channels) };
  const network = await loadNetwork<Network>(reference, [fileURLToPath(import.meta.url)]);
  const parameters = namedParameters(network);
  if (parameters.size === 0)
    throw new Error(`network ${settings.network} has no parameters: no tf.Variable is reachable through its fields`);
  say(`Network: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters`);

  const batchesPerEpoch = batchCount(dataset, settings.batchSize);
  return {
    settings,
    dataset,
    imageShape: dataset.shape,
    schedule,
    model: { network: reference, imageShape: [h, w, channels], objective: 'epsilon' },
    network,
    parameters,
    execution,
    batchesPerEpoch,
    steps: settings.steps ?? settings.epochs! * batchesPerEpoch,
  };
}

async function open({ dataset, dataDir, imageSize }: Settings): Promise<Dataset> {
  let progress: ReturnType<typeof createProgress> | undefined;
  const opened = await openDataset(dataset, {
    dataDir,
    imageSize,
    onProgress: ({ name, received, total = 0 }) => {
      progress ??= createProgress({ label: `Downloading ${name} (bytes)`, total });
      progress.update(received);
      if (received === total) {
        progress.stop();
        progress = undefined;
      }
    },
  });
  progress?.stop();
  return opened;
}

/** The engine that trains the network. The network is applied once, so that a shape it does not allow is refused before anything is written. */
async function makeEngine({ settings, imageShape, schedule, network, parameters, execution, dataset }: Run): Promise<TrainEngine> {
  tf.tidy(() => network.apply(tf.zeros([1, ...imageShape]), tf.zeros([1], 'int32')));
  const lossFunction = (x: tf.Tensor4D, noise: tf.Tensor4D, t: tf.Tensor1D) =>
    pLossesPerImage(schedule, network, x, t, noise, { loss: settings.loss });
  const { gradients, dispose } = await execution.gradients(
    lossFunction,
    parameters,
    imageShape,
    Math.min(settings.batchSize, dataset.size),
  );
  const initial = new Map<string, Float32Array>();
  for (const [name, variable] of parameters) initial.set(name, (await variable.data()) as Float32Array);
  return trainEngine({ parameters: initial, gradients, dispose: () => void dispose() });
}

async function trainInto(folder: string, made: Run, engine: TrainEngine): Promise<void> {
  const { settings, dataset, imageShape, schedule, model, network, parameters, execution, batchesPerEpoch, steps } = made;
  const { batchSize, seed, learningRate } = settings;
  const sampleEvery = settings.sampleEvery ?? batchesPerEpoch;
  const metrics = await createMetrics(folder);
  const progress = createProgress({ label: 'Training', total: steps });

  const save = async (step: number) => {
    const weights = new Map([...engine.parameters()].map(([name, data]) => [name, { shape: parameters.get(name)!.shape, data }]));
    loadParameters(network, weights);
    await writeCheckpoint(join(folder, 'checkpoint.safetensors'), {
      model,
      betas: schedule.betas,
      step,
      parameters: weights,
      state: new Map(),
    });
    await metrics.draw();
  };

  let before = performance.now();
  let seconds = 0;
  try {
    const steps_ = train({
      engine,
      batches: ({ epoch, start }) => batches(dataset, { batchSize, seed, epoch, start }),
      batchesPerEpoch,
      timesteps: schedule.timesteps,
      steps,
      learningRate,
      seed,
    });
    for await (const { step, epoch, loss, gradNorm, size } of steps_) {
      const took = (performance.now() - before) / 1000;
      seconds += took;
      const imagesPerSecond = size / took;
      await metrics.add({ step, epoch, loss, gradNorm, imagesPerSecond, seconds });
      progress.update(step + 1, `loss ${metrics.recentLoss().toFixed(4)}  ${imagesPerSecond.toFixed(0)} images/s`);
      const done = step + 1;
      if (sampleEvery > 0 && done % sampleEvery === 0 && done < steps) {
        await save(done);
        progress.log(
          `Samples after ${done} steps: ${await writePreview(folder, done, { execution, network, imageShape, schedule, seed })}`,
        );
      }
      before = performance.now();
    }
  } finally {
    progress.stop();
    await metrics.close();
  }
  await save(steps);
  say(`Trained ${steps} steps in ${formatSeconds(seconds)}, loss ${metrics.recentLoss().toFixed(4)}`);
  say(`Loss curve: ${join(folder, 'loss.png')}`);
  say(`Checkpoint: ${join(folder, 'checkpoint.safetensors')}`);
}
