import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { atLeastZero, fraction, number, oneOf, UsageError } from '@ddpm/app-common';
import type { Autoencoder } from '@ddpm/autoencoder';
import { autoencoding, AutoencoderKl, AutoencoderVq, klAutoencoding, vqAutoencoding } from '@ddpm/autoencoder';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import type { Compiled } from '@ddpm/execution';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { namedParameters, parameterCount } from '@ddpm/layers';
import { autoencoderMeaningToJson } from '@ddpm/models';
import type { Task, Variables } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import type { Ingredients, Training } from './training';
import { kind } from './training';

/** Images in a preview, each beside its reconstruction. */
const COUNT = 8;

const errors = { l1: tf.abs, l2: tf.square } as const;
const options = {
  'What is learned': {
    reconstruction: {
      flag: '--reconstruction <name>',
      does: 'the error of a reconstructed image: l1, l2',
      schema: oneOf(Object.keys(errors)),
    },
    klWeight: {
      flag: '--kl-weight <w>',
      does: "weight of a KL autoencoder's KL term; 1e-6 by default",
      schema: atLeastZero().optional(),
      read: number,
    },
    commitment: {
      flag: '--commitment <w>',
      does: "weight of a VQ autoencoder's commitment loss; 0.25 by default",
      schema: atLeastZero().optional(),
      read: number,
    },
    codebookDecay: {
      flag: '--codebook-decay <d>',
      does: 'decay of the moving average that the codebook of a VQ autoencoder is; 0.99 by default',
      schema: fraction().optional(),
      read: number,
    },
  },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** Latents of 7×7×4 for images of 28×28, in some minutes. */
const autoencoder: Settings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist-10k', flip: true, steps: 1500, batchSize: 16, reconstruction: 'l1' },
  ...{ learningRate: 2e-3, warmup: 100, decay: 'cosine', clipNorm: 1, ema: 0.99 },
  ...{ network: '@ddpm/autoencoder', sampleEvery: 500, checkpointEvery: 250 },
  networkOptions: { kind: 'kl', blockOutChannels: [16, 32, 32], normNumGroups: 8, latentChannels: 4 },
};

/** A network that makes small latents of the dataset's images, and images of these. */
async function make({ settings, dataset, execution, before }: Ingredients<Settings>): Promise<Training> {
  const image = dataset.shape;
  const known = before?.checkpoint.networks.autoencoder;
  const reference: NetworkReference = {
    name: settings.network,
    options: { channels: image[2], seed: settings.seed, ...settings.networkOptions },
    ...(known?.name === settings.network && known.folder !== undefined && { folder: known.folder }),
  };
  const network = await loadNetwork<Autoencoder>(reference, {
    run: before?.folder,
    bases: [fileURLToPath(import.meta.url)],
  });
  const parameters = namedParameters({ autoencoder: network });
  const latents = latentsOf(network, settings.network, image);
  let compiled: Promise<Compiled<(x: tf.Tensor4D) => tf.Tensor4D>> | undefined;
  const reconstruct = (x: tf.Tensor4D) => network.apply(x);
  return {
    task: taskOf(network, parameters, settings),
    networks: { autoencoder: reference },
    meaning: autoencoderMeaningToJson({ image }),
    description: `Network: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters, to latents of ${latents.join('×')}`,
    async preview() {
      const x = await firstImages(dataset);
      compiled ??= execution.compile(reconstruct, [x], { parameters });
      const back = await (await compiled)(x);
      const shape = [x.shape[0], ...image] as const;
      const [given, made] = [toImages(await x.data<'float32'>(), shape), toImages(await back.data<'float32'>(), shape)];
      tf.dispose([x, back]);
      return enlarge(imageGrid(given.flatMap((each, i) => [each, made[i]])), 2);
    },
    async operations() {
      const example = tf.zeros<tf.Rank.R4>([1, ...image]);
      const { operations } = await execution.cost(reconstruct, [example], { parameters });
      example.dispose();
      return operations;
    },
    dispose: async () => (await compiled?.catch(() => undefined))?.dispose(),
  };
}

/** @throws UsageError in one line if there are settings of another kind of autoencoder */
function taskOf(network: Autoencoder, parameters: Variables, settings: Settings): Task {
  const { klWeight, commitment: commitmentWeight, codebookDecay } = settings;
  const error = errors[settings.reconstruction as keyof typeof errors];
  const useless = (of: string, values: Readonly<Record<string, number | undefined>>) => {
    const [flag] = Object.entries(values).find(([, value]) => value !== undefined) ?? [];
    if (flag !== undefined) throw new UsageError(`${flag} is for ${of} autoencoders, and this network is none`);
  };
  if (!(network instanceof AutoencoderKl)) useless('KL', { '--kl-weight': klWeight });
  if (!(network instanceof AutoencoderVq))
    useless('VQ', { '--commitment': commitmentWeight, '--codebook-decay': codebookDecay });
  if (network instanceof AutoencoderKl) return klAutoencoding({ autoencoder: network, parameters, error, klWeight });
  if (network instanceof AutoencoderVq)
    return vqAutoencoding({ autoencoder: network, parameters, error, commitmentWeight, codebookDecay });
  return autoencoding({ autoencoder: network, parameters, error });
}

/**
 * The shape of an image's latents.
 * @throws Error in one line unless the network makes latents of images, and images of these
 */
function latentsOf(network: Autoencoder, name: string, image: readonly [h: number, w: number, c: number]): number[] {
  if (typeof network.encode !== 'function' || typeof network.decode !== 'function')
    throw new Error(`network ${name} has no encode and decode, as an autoencoder has`);
  return tf.tidy(() => {
    const latents = network.encode(tf.zeros([1, ...image]));
    const back = network.decode(latents);
    if (back.shape.join() !== [1, ...image].join())
      throw new Error(
        `network ${name} makes images of ${back.shape.slice(1).join('×')} out of ones of ${image.join('×')}`,
      );
    return latents.shape.slice(1);
  });
}

/** The images that previews show. */
async function firstImages(dataset: Dataset): Promise<tf.Tensor4D> {
  const indices = Int32Array.from({ length: Math.min(COUNT, dataset.size) }, (_, i) => i);
  const { image } = await readExamples(dataset, indices);
  return tf.tensor4d(image.data as Float32Array, [indices.length, ...dataset.shape]);
}

/** A network whose latents a diffusion model can work on. */
export const autoencode = kind({
  ...{ name: 'autoencoder', does: 'a network that makes small latents of images, and images of these', options, make },
  presets: { autoencoder: { does: 'latents of 7×7×4 for Fashion-MNIST, in some minutes', settings: autoencoder } },
});
