import { fileURLToPath } from 'node:url';
import { schedules } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import type { Network } from '@ddpm/diffusion';
import { ancestral, denoising, minSnr, trailing, uniform } from '@ddpm/diffusion';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { namedParameters, parameterCount } from '@ddpm/layers';
import type { CompiledNetwork } from '@ddpm/models';
import { compileNetwork, draw, labels, meaningToJson, parameterisations, scheduleLevels } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import { checkNetwork } from '../check-network';
import { networkOptions } from '../options';
import { losses } from '../table';
import type { Ingredients, Training } from './training';

/** Images in a preview. */
const COUNT = 16;

/** A denoiser of the dataset's images, and of their classes where the network takes them. */
export async function denoise({ settings, dataset, execution, resumed }: Ingredients): Promise<Training> {
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

/** The mean of the losses in each quarter of the timesteps; null where there is none. */
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
