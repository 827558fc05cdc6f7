import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { aboveZero, kebab, number, oneOf, schedules, UsageError, wholeNumber } from '@ddpm/app-common';
import type { JsonObject, NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import type { ElementLoss, Network } from '@ddpm/diffusion';
import { ancestral, denoising, huber, l1, l2, minSnr, trailing, uniform } from '@ddpm/diffusion';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { namedParameters, parameterCount } from '@ddpm/layers';
import type { CompiledNetwork } from '@ddpm/models';
import { compileNetwork, draw, labels, meaningToJson, parameterisations, scheduleLevels } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import { z } from 'zod';
import { checkNetwork } from '../check-network';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import type { Ingredients, Preset, Training } from './training';
import { kind } from './training';

/** Images in a preview. */
const COUNT = 16;

/** The losses by the names that the command line gives them. */
const losses: Readonly<Record<string, ElementLoss>> = { l1, l2, huber };

const names = (table: object) => Object.keys(table);
const options = {
  'What is learned': {
    parameterisation: {
      flag: '--parameterisation <name>',
      does: `what the network predicts: ${names(parameterisations).join(', ')}`,
      schema: oneOf(names(parameterisations)),
    },
    loss: { flag: '--loss <name>', does: names(losses).join(', '), schema: oneOf(names(losses)) },
    minSnr: {
      flag: '--min-snr <gamma>',
      does: 'min-SNR-γ weighting of the loss, such as 5',
      schema: aboveZero().optional(),
      read: number,
    },
    schedule: {
      flag: '--schedule <name>',
      does: `noise schedule: ${names(schedules).join(', ')}`,
      schema: oneOf(names(schedules)),
    },
    timesteps: { flag: '--timesteps <n>', does: 'noise levels T', schema: wholeNumber(1), read: number },
  },
  Network: {
    dim: {
      flag: '--dim <n>',
      does: "width of the U-Net's first level",
      schema: wholeNumber(1).optional(),
      read: number,
    },
    dimMults: {
      flag: '--dim-mults <list>',
      does: "each level's width as a multiple of dim, such as 1,2,4",
      schema: z.array(wholeNumber(1), { error: 'must be whole numbers such as 1,2,4' }).min(1).optional(),
      read: (text: string) => text.split(',').map(number),
    },
    blocks: {
      flag: '--blocks <name>',
      does: "the U-Net's blocks: convnext or resnet",
      schema: oneOf(['convnext', 'resnet']).optional(),
    },
    blind: {
      flag: '--blind',
      does: 'allow a network that ignores t',
      schema: z.boolean({ error: 'must be true or false' }),
    },
  },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The tutorial's run, exactly; that samples come from the average of the weights does not change the training. */
const tutorial: Settings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist', flip: true, epochs: 5, batchSize: 128, learningRate: 1e-3, ema: 0.9999 },
  ...{ parameterisation: 'epsilon', loss: 'huber', schedule: 'linear', timesteps: 200 },
  ...{ network: '@ddpm/unet', dim: 28, dimMults: [1, 2, 4], blocks: 'convnext', blind: false },
};

/** A first run, in a few minutes on two cores and without a download. */
const quick: Settings = {
  ...tutorial,
  ...{ dataset: 'fashion-mnist-10k', epochs: undefined, steps: 1000, batchSize: 16, schedule: 'stretched-linear' },
  ...{ learningRate: 4e-3, warmup: 100, decay: 'cosine', clipNorm: 1, minSnr: 5 },
  ...{ sampleEvery: 500, checkpointEvery: 250 },
};

const presets: Readonly<Record<string, Preset<Settings>>> = {
  tutorial: { does: 'Fashion-MNIST, five epochs', settings: tutorial },
  quick: { does: 'a few minutes', settings: quick },
};

/** The settings that shape the U-Net alone. */
const ofUnet = ['dim', 'dimMults', 'blocks'] as const;

/** Another network takes its options by --network-options. */
function settle(settings: Settings, given: readonly string[]): Settings {
  if (settings.network === tutorial.network) return settings;
  const useless = ofUnet.filter((name) => given.includes(name));
  if (useless.length > 0)
    throw new UsageError(
      `${useless.map((name) => `--${kebab(name)}`).join(', ')} ${useless.length > 1 ? 'shape' : 'shapes'} the U-Net alone; give another network its options by --network-options`,
    );
  return { ...settings, dim: undefined, dimMults: undefined, blocks: undefined };
}

/** The options of the network's default export. */
export function networkOptions(
  {
    network,
    networkOptions,
    dim,
    dimMults,
    blocks,
    seed,
  }: Pick<Settings, 'network' | 'networkOptions' | 'dim' | 'dimMults' | 'blocks' | 'seed'>,
  channels: number,
): JsonObject {
  const unet =
    network === tutorial.network
      ? { ...(dim !== undefined && { dim }), ...(dimMults && { dimMults }), useConvnext: blocks !== 'resnet' }
      : {};
  return { channels, seed, ...unet, ...networkOptions };
}

/** A denoiser of the dataset's images, and of their classes where the network takes them. */
async function make({ settings, dataset, execution, resumed }: Ingredients<Settings>): Promise<Training> {
  const schedule = schedules[settings.schedule]({ timesteps: settings.timesteps });
  const parameterisation = parameterisations[settings.parameterisation]();
  const before = resumed?.checkpoint.networks.denoiser;
  const reference: NetworkReference = {
    name: settings.network,
    options: networkOptions(settings, dataset.shape[2]),
    ...(before?.folder !== undefined && { folder: before.folder }),
  };
  const network = await loadNetwork<Network>(reference, {
    run: resumed?.folder,
    bases: [fileURLToPath(import.meta.url)],
  });
  const parameters = namedParameters({ denoiser: network });
  const condition = conditionOf(network, dataset);
  const { timesteps, blind } = settings;
  const image = dataset.shape;
  await checkNetwork(network, { name: settings.network, parameters, execution, image, condition, timesteps, blind });

  const weighting = settings.minSnr === undefined ? undefined : minSnr(parameterisation, { gamma: settings.minSnr });
  const task = denoising({
    network,
    parameters,
    levels: uniform(schedule),
    parameterisation,
    loss: losses[settings.loss],
    weighting,
  });
  const compiled = once(() => compileNetwork(execution, network, { parameters, image, condition }));
  const classNames = condition && dataset.classNames;
  return {
    task,
    networks: { denoiser: reference },
    meaning: meaningToJson({ image, parameterisation, levels: scheduleLevels(schedule), classNames }),
    description: `Network: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters${condition ? `, told which of ${classNames!.length} classes` : ''}`,
    async preview() {
      const values = await draw({
        ...{ network: await compiled.get(), parameterisation, image, count: COUNT, seed: settings.seed },
        sampler: ancestral(trailing(schedule)),
        condition: condition && labels(COUNT, { classes: classNames!.length }),
      });
      return enlarge(imageGrid(toImages(values, [COUNT, ...image])), 2);
    },
    quarters: ({ time }, values) => quarters(values.get('loss')!, time, timesteps),
    operations: async () => (await (await compiled.get()).cost()).operations,
    dispose: () => compiled.dispose(),
  };
}

export const denoise = kind({
  name: 'denoise',
  does: 'a network that makes images out of noise',
  ...{ options, presets, settle, make },
});

/**
 * An example of what the network is given beside the image: the last class, which shows whether it knows them all.
 * @throws Error if it takes what the dataset does not have
 */
function conditionOf({ conditions = [] }: Network, dataset: Dataset): Batch | undefined {
  for (const name of conditions) {
    if (name !== 'label')
      throw new Error(`the network takes the condition '${name}', which no dataset gives; they give 'label'`);
    if (!dataset.label || !dataset.classNames)
      throw new Error(
        "the network takes the condition 'label', but the dataset has no classes; folders have them as subfolders",
      );
  }
  return conditions.length > 0
    ? { label: { data: Int32Array.of(dataset.classNames!.length - 1), item: [] } }
    : undefined;
}

/** The mean of the losses in each quarter of the timesteps, from little noise to much; null where there is none. */
export function quarters(values: Float32Array, { data: times }: Batch[string], timesteps: number): (number | null)[] {
  const [sums, counts] = [new Float64Array(4), new Float64Array(4)];
  values.forEach((loss, i) => {
    const quarter = Math.floor((4 * times[i]) / timesteps);
    sums[quarter] += loss;
    counts[quarter]++;
  });
  return Array.from(sums, (sum, i) => (counts[i] > 0 ? sum / counts[i] : null));
}

/** Makes what is costly when it is first asked for. */
function once(make: () => Promise<CompiledNetwork>) {
  let made: Promise<CompiledNetwork> | undefined;
  return {
    get: () => (made ??= make()),
    dispose: async () => (await made?.catch(() => undefined))?.dispose(),
  };
}
