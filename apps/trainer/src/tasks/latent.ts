import { fileURLToPath } from 'node:url';
import { arraysHash, firstOf, oneOf, undivided, UsageError } from '@ddpm/app-common';
import { AutoencoderKl, latentsOf, latentStatistics, overLatents } from '@ddpm/autoencoder';
import type { Checkpoint } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Autoencoder } from '@ddpm/autoencoder';
import type { Dataset } from '@ddpm/datasets';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { AutoencoderParts, CompiledLatents, LatentsMeaning } from '@ddpm/models';
import { compileLatents, loadAutoencoder, meaningFromJson } from '@ddpm/models';
import { Random } from '@ddpm/random';
import type { Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { EncodedDataset } from '../encodings';
import { encodeDataset } from '../encodings';
import { findSource } from '../from';
import type { Ingredients, Training } from './training';

/** The options of denoising over latents. */
export const latentOptions = {
  autoencoder: {
    flag: '--autoencoder <run>',
    does: 'learn the latents of this run of --task autoencoder instead of the images',
    schema: z.string().min(1, 'must name a run of --task autoencoder').optional(),
    inherited: true,
  },
  latents: {
    flag: '--latents <name>',
    does: 'with --autoencoder: the mean of the posterior, the default, or a sample, which a KL autoencoder draws anew each time',
    schema: oneOf(['mean', 'sample']).optional(),
    inherited: true,
  },
};

/** The latents that a training learns. */
export interface Latents {
  readonly meaning: LatentsMeaning;
  /** The shape of an image's latents. */
  readonly item: readonly [h: number, w: number, c: number];
  /** The autoencoder among a checkpoint's networks, and its weights there. */
  readonly networks: Checkpoint['networks'];
  readonly kept: Checkpoint['weights'];
  readonly compiled: CompiledLatents;
  /** A task of latents as one of what `encode` gives, in training, or as it is measured: then of the mean. */
  over(task: Task, options?: { evaluation?: boolean }): Task;
  /** The dataset with its images encoded. */
  encode(images: Dataset): Promise<Dataset>;
  /** One line that says what they are. */
  readonly note: string;
  dispose(): Promise<void>;
}

/** Images whose latents are measured. */
const MEASURED = 512;

/** The ingredients that latents need. */
type Needed = Pick<Ingredients, 'settings' | 'dataset' | 'execution' | 'before' | 'reporter'>;

/**
 * The latents that settings ask for, of the autoencoder that they name, or of the model that is gone on with.
 * @throws UsageError or Error in one line if there is no such autoencoder, or it is of other images
 */
export async function openLatents(
  { autoencoder: path, latents: how = 'mean' }: { readonly autoencoder?: string; readonly latents?: string },
  { settings, dataset, execution, before, reporter }: Needed,
): Promise<Latents | undefined> {
  const held = before && meaningFromJson(before.checkpoint.meaning).latents;
  if (!held && path === undefined) {
    if (how === 'sample') throw new UsageError('--latents sample is of an autoencoder: name one by --autoencoder');
    return undefined;
  }
  if (held && path !== before.checkpoint.settings.autoencoder)
    throw new UsageError('--autoencoder: the model that --from names has its own');
  const image = dataset.shape;
  const opened = held ? await heldIn(before) : await fromRun(path!);
  if (opened.image && opened.image.join() !== image.join())
    throw new Error(
      `--autoencoder ${path} is of images of ${opened.image.join('×')}, and these are of ${image.join('×')}`,
    );
  const { network, parameters } = opened;
  if (how === 'sample' && !(network instanceof AutoencoderKl))
    throw new UsageError('--latents sample is of a KL autoencoder, which draws its latents, and this is none');
  const { factor, imageChannels, latentChannels } = network;
  const item = [image[0] / factor, image[1] / factor, latentChannels] as const;
  if (imageChannels !== image[2] || !item.every(Number.isInteger))
    throw new Error(
      `the autoencoder is of images of ${imageChannels} channel${imageChannels === 1 ? '' : 's'}, whose height and width are multiples of ${factor}, and these are of ${image.join('×')}`,
    );
  const values = new Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>();
  for (const [name, variable] of parameters)
    values.set(name, { shape: variable.shape, data: await variable.data<'float32'>() });

  // What is kept on one machine, and not on another, every process makes for itself.
  const own = undivided(execution);
  const encoder = compileLatents(own, { image, scalingFactor: 1, shiftFactor: 0 }, opened);
  const key = JSON.stringify([
    own.name,
    opened.reference.name,
    opened.reference.options,
    arraysHash([...values].map(([name, { data }]) => [name, data])),
  ]);
  const made = new Map<Dataset, Promise<EncodedDataset>>();
  const encode = async (images: Dataset): Promise<Dataset> => {
    if (!made.has(images))
      made.set(
        images,
        encodeDataset(images, {
          ...{ key, reporter, flip: settings.flip && images === dataset },
          item: [item[0], item[1], network instanceof AutoencoderKl ? 2 * latentChannels : latentChannels],
          async encode(pixels, n) {
            const x = tf.tensor4d(pixels, [n, ...image]);
            const encoded = await encoder.encodings(x).finally(() => x.dispose());
            return encoded.data<'float32'>().finally(() => encoded.dispose());
          },
        }),
      );
    return (await made.get(images)!).dataset;
  };
  const dispose = async () => {
    for (const each of made.values()) await (await each.catch(() => undefined))?.dispose();
    await encoder.dispose();
  };
  try {
    const fromPosterior = how === 'sample';
    const measure = async () => measured(await encode(dataset), { latentChannels, fromPosterior });
    const meaning = held ? { ...held, image } : { image, ...(await firstOf(await measure())) };
    const { scalingFactor, shiftFactor } = meaning;
    const compiled = compileLatents(execution, meaning, { network, parameters });
    return {
      ...{ meaning, item, encode, compiled, kept: values, networks: { autoencoder: opened.reference } },
      over: (task, { evaluation = false } = {}) =>
        overLatents(task, {
          ...{ latentChannels, scalingFactor, shiftFactor },
          fromPosterior: fromPosterior && !evaluation,
        }),
      note: `Latents: ${item.join('×')} of ${image.join('×')}, of the standard deviation ${(1 / scalingFactor).toPrecision(4)} and mean ${shiftFactor.toPrecision(3)}, brought to 1 and 0`,
      async dispose() {
        await Promise.all([dispose(), compiled.dispose()]);
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
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

/** The shift and scale that bring latents to mean 0 and standard deviation 1, measured of images spread over a dataset. */
async function measured(
  { size, encoded }: Dataset,
  { latentChannels, fromPosterior }: { readonly latentChannels: number; readonly fromPosterior: boolean },
): Promise<Pick<LatentsMeaning, 'scalingFactor' | 'shiftFactor'>> {
  const n = Math.min(size, MEASURED);
  const rng = new Random(['latents']);
  const { item } = encoded!;
  const each = item[0] * item[1] * latentChannels;
  const all = new Float32Array(n * each);
  for (let k = 0; k < n; k++) {
    const row = await encoded!.read(Math.floor((k * size) / n), { mirrored: false });
    all.set(latentsOf(row, item[2], { latentChannels }, fromPosterior ? rng.normals(each) : undefined), k * each);
  }
  const { mean, std } = latentStatistics(all);
  if (!(std > 0)) throw new Error('--autoencoder: all latents are alike');
  return { scalingFactor: 1 / std, shiftFactor: mean };
}

/** A training, with those parts exchanged that are others over latents. */
export const trainingOver = (latents: Latents | undefined, training: Training): Training =>
  latents
    ? {
        ...training,
        networks: { ...training.networks, ...latents.networks },
        kept: new Map([...(training.kept ?? []), ...latents.kept]),
        async encode(images) {
          const encoded = await latents.encode(images);
          return training.encode ? training.encode(encoded) : encoded;
        },
        notes: [...(training.notes ?? []), latents.note],
        async dispose() {
          await Promise.all([training.dispose(), latents.dispose()]);
        },
      }
    : training;
