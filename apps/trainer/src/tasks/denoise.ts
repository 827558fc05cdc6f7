import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { arrayDataset, readExamples } from '@ddpm/datasets';
import type { Moments, Network } from '@ddpm/diffusion';
import {
  denoising,
  l2,
  momentsOf,
  showsImages,
  sigmaDataOf,
  stack,
  trailing,
  withLabelDropout,
  withNearestNoise,
} from '@ddpm/diffusion';
import { enlarge, imageGrid, toBytes, toImages } from '@ddpm/images';
import { namedParameters, parameterCount } from '@ddpm/layers';
import type { CompiledNetwork, KnownLevels } from '@ddpm/models';
import {
  choosePrior,
  compileNetwork,
  draw,
  labels,
  meaningFromJson,
  meaningToJson,
  momentsToMeasured,
  samplerFor,
} from '@ddpm/models';
import type { NoiseSchedule } from '@ddpm/schedules';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { checkNetwork } from '../check-network';
import type { DenoiseSettings } from './denoise-options';
import { bounds, losses, networkOptions, OF_MODEL, options, presets, settle } from './denoise-options';
import { openLatents, trainingOver } from './latent';
import type { Objective } from './objective';
import { objectiveOf, someLevels, wayTo } from './objective';
import type { Ingredients, Training } from './training';
import { kind } from './training';

/** Images in a preview, and how many are drawn at a time. */
const [COUNT, BATCH] = [16, 64];

/** A denoiser of the dataset's images, and of their classes where the network takes them. */
async function make(ingredients: Ingredients<DenoiseSettings>): Promise<Training> {
  const { settings, dataset, execution, before } = ingredients;
  const latents = await openLatents(settings, ingredients);
  // Latents are brought to a standard deviation of 1.
  const measured = settings.sigmaData === 'measured' ? (latents ? 1 : await measuredSigma(dataset)) : undefined;
  const sigmaData = settings.sigmaData === 'measured' ? measured : settings.sigmaData;
  const { parameterisation, levels, source, steady, weighting } = objectiveOf(
    settings,
    sigmaData,
    modelSchedule(settings, before),
  );
  const { network: name } = settings;
  const classes = settings.classes === 'auto' ? dataset.classNames !== undefined : settings.classes;
  const labelDropout = (classes && settings.labelDropout) || 0;
  if (classes && !dataset.classNames)
    throw new Error('--classes: the dataset has no classes; folders have them as subfolders');
  const known = before?.checkpoint.networks.denoiser;
  const reference: NetworkReference = {
    name,
    options: networkOptions(settings, latents?.item ?? dataset.shape, classes ? dataset.classNames!.length : undefined),
    ...(known?.name === name && known.folder !== undefined && { folder: known.folder }),
  };
  const network = await loadNetwork<Network>(reference, {
    run: before?.folder,
    bases: [fileURLToPath(import.meta.url)],
  });
  if (classes && !network.conditions?.includes('label'))
    throw new Error(`--classes: network ${name} takes no condition 'label', although it was given the option classes`);
  const parameters = namedParameters({ denoiser: network });
  const classNames = network.conditions?.includes('label') ? dataset.classNames : undefined;
  const condition = conditionOf(network, dataset, { none: labelDropout > 0 });
  const image = latents?.item ?? dataset.shape;
  await checkNetwork(network, {
    ...{ name, parameters, execution, image, condition, blind: settings.blind },
    told: toldOf(parameterisation, someLevels(levels)),
    learnsVariance: parameterisation.variance !== undefined,
  });

  const moments =
    !latents && showsImages(levels.noisiest, image[0] * image[1] * image[2])
      ? await measuredMoments(dataset, classNames)
      : undefined;

  const { loss } = settings;
  const objective = {
    ...{ network, parameters, parameterisation, loss: losses[loss] ?? l2, weighting },
    bound: levels.schedule && bounds[loss]?.of(trailing(levels.schedule)),
  };
  const own = withNearestNoise(denoising({ ...objective, levels: source }), { among: settings.noises ?? 1 });
  const whole = latents ? latents.over(own) : own;
  const steadily = denoising({ ...objective, levels: steady, evaluation: true });
  const compiled = once(() => compileNetwork(execution, network, { parameters, image, condition }));
  const classesOf = (count: number) => labels(count, { classes: classNames!.length }).label.data;
  /** Images, as ddpm-sample draws them where it is asked for nothing else. */
  const drawn = async (count: number) => {
    const sampler = samplerFor({}, levels);
    return draw({
      ...{ network: await compiled.get(), parameterisation, image, count, seed: settings.seed },
      ...{ sampler, prior: choosePrior({ levels, image, moments }).prior, batch: BATCH },
      condition: classNames && labels(count, { classes: classNames.length }),
      ...(latents && { decode: (made: tf.Tensor4D) => latents.compiled.decode(made) }),
    });
  };
  const says = [
    `Network: ${name}, ${parameterCount(network).toLocaleString('en')} parameters`,
    ...(classNames ? [`told which of ${classNames.length} classes`] : []),
    ...(measured === undefined ? [] : [`for data of the standard deviation ${measured.toPrecision(4)}, as measured`]),
  ];
  const found = {
    ...(measured !== undefined && { sigmaData: measured }),
    ...(settings.classes === 'auto' && { classes }),
    ...(settings.networkOptions.patchSize === 'auto' && {
      networkOptions: { ...settings.networkOptions, patchSize: reference.options.patchSize },
    }),
  };
  return trainingOver(latents, {
    task: labelDropout > 0 ? withLabelDropout(whole, { none: classNames!.length, probability: labelDropout }) : whole,
    validation: latents ? latents.over(steadily, { evaluation: true }) : steadily,
    networks: { denoiser: reference },
    meaning: meaningToJson({
      ...{ image, parameterisation, levels, classNames },
      ...(labelDropout > 0 && { labelDropout }),
      ...(latents && { latents: latents.meaning }),
    }),
    ...(Object.keys(found).length > 0 && { settings: found }),
    ...(moments && { measured: momentsToMeasured(moments), notes: [priorNote(levels)] }),
    description: says.join(', '),
    async preview() {
      return enlarge(imageGrid(toImages(await drawn(COUNT), [COUNT, ...dataset.shape])), 2);
    },
    async images(count) {
      const pixels = toBytes(await drawn(count));
      const classes = classNames && { labels: classesOf(count), classNames };
      return arrayDataset({ pixels, shape: dataset.shape, ...classes });
    },
    quarters: ({ time }, values) =>
      quarters(
        values.get('loss')!,
        Array.from(time.data, (each) => wayTo(levels, each)),
      ),
    operations: async () => (await (await compiled.get()).cost()).operations,
    dispose: () => compiled.dispose(),
  });
}

export const denoise = kind({
  name: 'denoise',
  does: 'a network that makes images out of noise',
  ...{ options, presets, settle, make },
});

/**
 * The schedule of the model that a run began with, or goes on with, where that is asked for.
 * @throws UsageError if there is none
 */
export function modelSchedule(
  { schedule, timesteps }: Pick<DenoiseSettings, 'schedule' | 'timesteps'>,
  before: Ingredients['before'],
): NoiseSchedule | undefined {
  if (schedule !== OF_MODEL) return undefined;
  const known = before && meaningFromJson(before.checkpoint.meaning).levels.schedule;
  if (!known) throw new UsageError('--schedule model is the schedule of the model that --from names');
  if (known.timesteps !== timesteps)
    throw new UsageError(`--timesteps: the model's schedule has ${known.timesteps}, not ${timesteps}`);
  return known;
}

/** Images that are measured at most: for σ_data, and for a prior, which also holds so many values in memory. */
const [FOR_SIGMA, FOR_PRIOR, PRIOR_VALUES] = [4096, 10_000, 2 ** 24];
/** Images that are read at a time. */
const PART = 256;

/** At most so many examples, spread over a dataset. */
async function* spread(dataset: Dataset, most: number) {
  const n = Math.min(dataset.size, most);
  for (let start = 0; start < n; start += PART) {
    const indices = Int32Array.from({ length: Math.min(PART, n - start) }, (_, i) =>
      Math.floor(((start + i) * dataset.size) / n),
    );
    yield await readExamples(dataset, indices);
  }
}

/** The standard deviation of a dataset's values. */
const measuredSigma = (dataset: Dataset): Promise<number> => sigmaDataOf(spread(dataset, FOR_SIGMA));

/** Directions of a prior: of all images, and of each class where there are classes, so that it stays small. */
const [DIRECTIONS, OF_EACH] = [32, 16];

/** Mean and covariance of a dataset's images, by classes where the network is told of them. */
function measuredMoments(dataset: Dataset, classNames?: readonly string[]): Promise<Moments> {
  const most = Math.min(FOR_PRIOR, Math.max(1, Math.floor(PRIOR_VALUES / dataset.shape.reduce((a, b) => a * b))));
  return momentsOf(spread(dataset, most), {
    directions: classNames ? OF_EACH : DIRECTIONS,
    ...(classNames && { classes: classNames.length }),
  });
}

/** A line that says how much of the images shows at the noisiest level, and what is done about it. */
function priorNote({ noisiest: { signal, sigma } }: KnownLevels): string {
  const left = signal ** 2 / (signal ** 2 + sigma ** 2);
  return `Prior: ᾱ_T = ${left.toPrecision(3)}, so images show at the noisiest level; sampling begins with noise matched to them (ddpm-sample --prior standard: with noise alone)`;
}

/** The numbers that a network is told of levels. */
export function toldOf(
  parameterisation: Objective['parameterisation'],
  levels: Parameters<typeof stack>[0],
): readonly number[] {
  return tf.tidy(() => {
    const stacked = stack(levels);
    return Array.from((parameterisation.told?.(stacked) ?? stacked.time).dataSync());
  });
}

/**
 * An example of the network's condition, which shows whether it knows all classes: the last of them, or the one for none.
 * @throws Error if it takes what the dataset does not have
 */
function conditionOf({ conditions = [] }: Network, dataset: Dataset, { none }: { none: boolean }): Batch | undefined {
  for (const name of conditions) {
    if (name !== 'label')
      throw new Error(`the network takes the condition '${name}', which no dataset gives; they give 'label'`);
    if (!dataset.label || !dataset.classNames)
      throw new Error(
        "the network takes the condition 'label', but the dataset has no classes; folders have them as subfolders",
      );
  }
  return conditions.length > 0
    ? { label: { data: Int32Array.of(dataset.classNames!.length - (none ? 0 : 1)), item: [] } }
    : undefined;
}

/**
 * The mean of the losses in each quarter of the levels, from little noise to much; null where there is none.
 * @param ways how far each loss's level lies from the least noisy to the noisiest, 0 to 1
 */
export function quarters(values: Float32Array, ways: readonly number[]): (number | null)[] {
  const [sums, counts] = [new Float64Array(4), new Float64Array(4)];
  values.forEach((loss, i) => {
    const quarter = Math.min(3, Math.max(0, Math.floor(4 * ways[i])));
    sums[quarter] += loss;
    counts[quarter]++;
  });
  return Array.from(sums, (sum, i) => (counts[i] > 0 ? sum / counts[i] : null));
}

/** Makes what is costly when it is first asked for. */
export function once<T extends { dispose(): Promise<void> } = CompiledNetwork>(make: () => Promise<T>) {
  let made: Promise<T> | undefined;
  return {
    get: () => (made ??= make()),
    dispose: async () => (await made?.catch(() => undefined))?.dispose(),
  };
}
