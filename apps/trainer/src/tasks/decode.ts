import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { fraction, number } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { readExamples } from '@ddpm/datasets';
import type { Network } from '@ddpm/diffusion';
import { denoising, l2 } from '@ddpm/diffusion';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { namedParameters, parameterCount } from '@ddpm/layers';
import { compileNetwork, draw, meaningToJson, samplerFor } from '@ddpm/models';
import { withClipVectors } from '@ddpm/text';
import type { Batch, Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { checkNetwork } from '../check-network';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { clip, holding, openClip } from './clip-run';
import { once, quarters, toldOf } from './denoise';
import { options as denoiseOptions } from './denoise-options';
import { objectiveOf, someLevels, wayTo } from './objective';
import type { Ingredients, Preset, Training } from './training';
import { kind } from './training';

/** Images in a preview. */
const COUNT = 8;

const { parameterisation } = denoiseOptions['What is learned'];
const { schedule, timesteps } = denoiseOptions['Noise levels'];
const options = {
  'What is learned': { parameterisation },
  'Noise levels': { schedule, timesteps },
  CLIP: {
    clip,
    vectorDropout: {
      flag: '--vector-dropout <share>',
      does: 'how often the vector is left out, which guidance needs',
      schema: fraction(),
      read: number,
    },
  },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The decoder of portraits. */
const decoder: Settings = {
  ...defaults,
  ...{ dataset: 'pixel-art', flip: false, steps: 5000, batchSize: 32 },
  ...{ learningRate: 2e-3, warmup: 100, decay: 'cosine', beta2: 0.99, weightDecay: 0.01, clipNorm: 1, ema: 0.995 },
  ...{ parameterisation: 'velocity', schedule: 'velocity-cosine', timesteps: 1000, vectorDropout: 0.1 },
  network: '@ddpm/glide',
  networkOptions: {
    ...{ patchSize: 2, modelChannels: 32, channelMult: [2, 3], numResBlocks: 1, attentionResolutions: [2] },
    ...{ numHeads: 4, groups: 8 },
  },
  ...{ sampleEvery: 1000, checkpointEvery: 500 },
};

const presets: Readonly<Record<string, Preset<Settings>>> = {
  decoder: { does: 'portraits of pixel-art from the vectors of --clip', settings: decoder },
};

/** A denoiser that is told CLIP's vector of the image: DALL·E 2's decoder (Ramesh et al. 2022). */
async function make({ settings, dataset, execution, before }: Ingredients<Settings>): Promise<Training> {
  const { network: name, seed, vectorDropout: dropout } = settings;
  const image = dataset.shape;
  const known = await openClip({ settings, dataset, before }, "--task decoder decodes a CLIP's vectors");
  const { clip, features } = known;
  const vectors = (pictures: tf.Tensor4D) => tf.tidy(() => clip.encodeImage(pictures));
  const { parameterisation, levels, source, steady } = objectiveOf(
    { ...settings, levelSource: 'stratified', weighting: 'none' },
    undefined,
  );
  const old = before?.checkpoint.networks.denoiser;
  const reference: NetworkReference = {
    name,
    options: { channels: image[2], seed, ...settings.networkOptions, features },
    ...(old?.name === name && old.folder !== undefined && { folder: old.folder }),
  };
  const network = await loadNetwork<Network>(reference, {
    run: before?.folder,
    bases: [fileURLToPath(import.meta.url)],
  });
  if (network.conditions?.join() !== 'imageEmbedding')
    throw new Error(
      `--task decoder: network ${name} must take the condition 'imageEmbedding' alone, and takes ${network.conditions?.join(', ') || 'none'}`,
    );
  const parameters = namedParameters({ denoiser: network });
  const { image: pictures } = await readExamples(
    dataset,
    Int32Array.from({ length: Math.min(COUNT, dataset.size) }, (_, i) => i),
  );
  const count = pictures.data.length / (image[0] * image[1] * image[2]);
  const data = tf.tidy(() => {
    const x = tf.tensor4d(pictures.data, [count, ...image]);
    return tf.mul(vectors(x), Math.sqrt(features)).dataSync<'float32'>();
  });
  const condition: Batch = { imageEmbedding: { data, item: [features] } };
  const one: Batch = { imageEmbedding: { data: data.slice(0, features), item: [features] } };
  await checkNetwork(network, {
    ...{ name, parameters, execution, image, condition: one, blind: false },
    told: toldOf(parameterisation, someLevels(levels)),
  });

  const told = (task: Task, probability: number): Task => holding(withClipVectors(task, known, { probability }), known);
  const objective = { network, parameters, parameterisation, loss: l2 };
  const compiled = once(() => compileNetwork(execution, network, { parameters, image, condition: one }));
  return {
    task: told(denoising({ ...objective, levels: source }), dropout),
    validation: told(denoising({ ...objective, levels: steady, evaluation: true }), 0),
    networks: { denoiser: reference, clip: known.reference },
    meaning: meaningToJson({
      ...{ image, parameterisation, levels },
      clip: { features, dropout, image: known.image, captions: known.captions },
    }),
    description: `Network: ${name}, ${parameterCount(network).toLocaleString('en')} parameters, told vectors of ${features} features`,
    async preview() {
      const made = await draw({
        ...{ network: await compiled.get(), parameterisation, image, count, seed, condition },
        sampler: samplerFor({}, levels),
      });
      const shape = [count, ...image] as const;
      const [given, drawn] = [toImages(pictures.data, shape), toImages(made, shape)];
      return enlarge(imageGrid(given.flatMap((each, i) => [each, drawn[i]])), 2);
    },
    quarters: ({ time }, values) =>
      quarters(
        values.get('loss')!,
        Array.from(time.data, (each) => wayTo(levels, each)),
      ),
    operations: async () => (await (await compiled.get()).cost()).operations,
    dispose: () => compiled.dispose(),
  };
}

export const decode = kind({
  name: 'decoder',
  does: "a network that makes images out of noise and CLIP's vectors of images",
  ...{ options, presets, make },
});
