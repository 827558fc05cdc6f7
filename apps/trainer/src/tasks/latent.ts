import { fileURLToPath } from 'node:url';
import { oneOf, UsageError } from '@ddpm/app-common';
import { AutoencoderKl, latentStatistics, overLatents } from '@ddpm/autoencoder';
import type { Checkpoint } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Autoencoder } from '@ddpm/autoencoder';
import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { AutoencoderParts, CompiledLatents, LatentsMeaning } from '@ddpm/models';
import { compileLatents, loadAutoencoder, meaningFromJson } from '@ddpm/models';
import type { Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { findSource } from '../from';
import type { Ingredients, Training } from './training';

/** The options of denoising over latents. */
export const latentOptions = {
  autoencoder: {
    flag: '--autoencoder <run>',
    does: 'learn the latents of this run of --task autoencoder instead of the images',
    schema: z.string().min(1, 'must name a run of --task autoencoder').optional(),
  },
  latents: {
    flag: '--latents <name>',
    does: 'with --autoencoder: the mean of the posterior, the default, or a sample, which a KL autoencoder draws anew each time',
    schema: oneOf(['mean', 'sample']).optional(),
  },
};

/** The latents that a training learns. */
export interface Latents {
  readonly meaning: LatentsMeaning;
  /** The shape of an image's latents. */
  readonly item: readonly [h: number, w: number, c: number];
  /** The autoencoder among a checkpoint's networks. */
  readonly networks: Checkpoint['networks'];
  readonly compiled: CompiledLatents;
  /** A task of latents as one of images, in training, or as it is measured: then of the mean. */
  over(task: Task, options?: { evaluation?: boolean }): Task;
  /** One line that says what they are. */
  readonly note: string;
}

/** Images that are encoded to measure their latents, and how many at a time. */
const [MEASURED, PART] = [512, 32];

/**
 * The latents that settings ask for, of the autoencoder that they name, or of the run that is gone on with.
 * @throws UsageError or Error in one line if there is no such autoencoder, or it is of other images
 */
export async function openLatents(
  { autoencoder: path, latents: how = 'mean' }: { readonly autoencoder?: string; readonly latents?: string },
  { dataset, execution, before }: Pick<Ingredients, 'dataset' | 'execution' | 'before'>,
): Promise<Latents | undefined> {
  if (path === undefined) return undefined;
  const image = dataset.shape;
  const held = before && meaningFromJson(before.checkpoint.meaning).latents;
  const opened = held ? await heldIn(before) : await fromRun(path);
  if (opened.image && opened.image.join() !== image.join())
    throw new Error(
      `--autoencoder ${path} is of images of ${opened.image.join('×')}, and these are of ${image.join('×')}`,
    );
  const { network, parameters } = opened;
  if (how === 'sample' && !(network instanceof AutoencoderKl))
    throw new UsageError('--latents sample is of a KL autoencoder, which draws its latents, and this is none');
  const { factor, latentChannels } = network;
  const item = [image[0] / factor, image[1] / factor, latentChannels] as const;
  if (!item.every(Number.isInteger))
    throw new Error(
      `--autoencoder ${path}: height and width must be multiples of ${factor}, got ${image[0]}×${image[1]}`,
    );
  const meaning = held ?? { image, ...(await measured(dataset, execution, { image, network, parameters })) };
  const { scalingFactor, shiftFactor } = meaning;
  const values = new Map([...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));
  return {
    ...{ meaning, item, networks: { autoencoder: opened.reference } },
    compiled: compileLatents(execution, meaning, { network, parameters }),
    over: (task, { evaluation = false } = {}) => ({
      ...overLatents(task, {
        ...{ autoencoder: network, parameters, scalingFactor, shiftFactor },
        fromPosterior: how === 'sample' && !evaluation,
      }),
      // The run folder stands alone: its checkpoints hold the autoencoder too.
      buffers: () => values,
    }),
    note: `Latents: ${item.join('×')} of ${image.join('×')}, of the standard deviation ${(1 / scalingFactor).toPrecision(4)} and mean ${shiftFactor.toPrecision(3)}, brought to 1 and 0`,
  };
}

type Opened = AutoencoderParts & {
  readonly reference: Checkpoint['networks'][string];
  readonly image?: readonly number[];
};

/** The autoencoder of a run of `--task autoencoder`. */
async function fromRun(path: string): Promise<Opened> {
  const { checkpoint, folder } = await findSource(path);
  try {
    const bases = [fileURLToPath(import.meta.url)];
    const { network, parameters, image } = await loadAutoencoder(
      { ...checkpoint, state: new Map() },
      { run: folder, bases },
    );
    const { autoencoder: reference } = checkpoint.networks;
    if (reference.folder !== undefined)
      throw new Error(
        'its network is a file of its own, which a run over its latents does not hold; make it a package',
      );
    return { network, parameters, image, reference };
  } catch (error) {
    throw new Error(`--autoencoder ${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

/** The autoencoder that a run over latents holds itself. */
async function heldIn({ folder, checkpoint }: NonNullable<Ingredients['before']>): Promise<Opened> {
  const reference = checkpoint.networks.autoencoder;
  const network = await loadNetwork<Autoencoder>(reference, { run: folder, bases: [fileURLToPath(import.meta.url)] });
  loadParameters(
    { autoencoder: network },
    new Map([...checkpoint.weights].filter(([name]) => name.startsWith('autoencoder.'))),
  );
  return { network, parameters: namedParameters({ autoencoder: network }), reference };
}

/** What brings latents to the mean 0 and the standard deviation 1, measured of images that are spread over a dataset. */
async function measured(
  dataset: Dataset,
  execution: Execution,
  { image, ...parts }: AutoencoderParts & { readonly image: readonly [number, number, number] },
): Promise<Pick<LatentsMeaning, 'scalingFactor' | 'shiftFactor'>> {
  const plain = compileLatents(execution, { image, scalingFactor: 1, shiftFactor: 0 }, parts);
  const n = Math.min(dataset.size, MEASURED);
  const all: number[] = [];
  try {
    for (let start = 0; start < n; start += PART) {
      const indices = Int32Array.from({ length: Math.min(PART, n - start) }, (_, i) =>
        Math.floor(((start + i) * dataset.size) / n),
      );
      const { image: images } = await readExamples(dataset, indices);
      const x = tf.tensor4d(images.data as Float32Array, [indices.length, ...image]);
      const latents = await plain.encode(x);
      for (const value of await latents.data<'float32'>()) all.push(value);
      tf.dispose([x, latents]);
    }
  } finally {
    await plain.dispose();
  }
  const { mean, std } = latentStatistics(all);
  if (!(std > 0)) throw new Error('--autoencoder: all latents are alike');
  return { scalingFactor: 1 / std, shiftFactor: mean };
}

/** What of a training is another where it is over latents. */
export const trainingOver = (latents: Latents | undefined, training: Training): Training =>
  latents
    ? {
        ...training,
        networks: { ...training.networks, ...latents.networks },
        notes: [...(training.notes ?? []), latents.note],
        async dispose() {
          await Promise.all([training.dispose(), latents.compiled.dispose()]);
        },
      }
    : training;
