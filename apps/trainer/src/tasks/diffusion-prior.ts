import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import type { Network } from '@ddpm/diffusion';
import { denoising, l2 } from '@ddpm/diffusion';
import { toImages } from '@ddpm/images';
import { namedParameters, parameterCount } from '@ddpm/layers';
import { compileDiffusionPrior, compileNetwork, diffusionPriorMeaningToJson } from '@ddpm/models';
import { tokenizerFromJson, withCaptionDropout, withImageEmbeddings } from '@ddpm/text';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { checkNetwork } from '../check-network';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { captionDropout } from './captions';
import { clip, holding, openClip } from './clip-run';
import { once, quarters, toldOf } from './denoise';
import { options as denoiseOptions } from './denoise-options';
import { objectiveOf, someLevels, wayTo } from './objective';
import type { Ingredients, Preset, Training } from './training';
import { kind } from './training';

/** Captions in a preview, and pictures among which theirs are found. */
const [COUNT, AMONG] = [16, 256];

const { schedule, timesteps } = denoiseOptions['Noise levels'];
const options = {
  'Noise levels': { schedule, timesteps },
  CLIP: { clip },
  Captions: { captionDropout },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The prior of portraits. */
const prior: Settings = {
  ...defaults,
  ...{ dataset: 'pixel-art', flip: false, steps: 3000, batchSize: 64, validation: 512, validateEvery: 500 },
  ...{ learningRate: 1e-3, warmup: 100, decay: 'cosine', beta2: 0.99, weightDecay: 0.01, clipNorm: 1, ema: 0.995 },
  ...{ schedule: 'velocity-cosine', timesteps: 1000, captionDropout: 0.1 },
  ...{ network: '@ddpm/text/diffusion-prior', networkOptions: { width: 128 } },
  ...{ sampleEvery: 1000, checkpointEvery: 500 },
};

const presets: Readonly<Record<string, Preset<Settings>>> = {
  prior: { does: 'the vectors of --clip of portraits of pixel-art from captions, in some minutes', settings: prior },
};

/** A denoiser of CLIP's vectors of images that is told the caption: DALL·E 2's prior (Ramesh et al. 2022, §2.2). */
async function make({ settings, dataset, execution, before }: Ingredients<Settings>): Promise<Training> {
  const { network: name, seed, captionDropout: dropout } = settings;
  if (!dataset.captions) throw new Error(`--task prior needs captions, which ${settings.dataset} does not have here`);
  const known = await openClip({ settings, dataset, before }, "--task prior learns a CLIP's vectors");
  const { features, image } = known;
  const { length } = known.captions;
  const tokenizer = tokenizerFromJson(known.captions.tokenizer, { length });
  const { parameterisation, levels, source, steady } = objectiveOf(
    { ...settings, parameterisation: 'image', levelSource: 'stratified', weighting: 'none' },
    undefined,
  );
  const old = before?.checkpoint.networks.prior;
  const reference: NetworkReference = {
    name,
    options: { seed, ...settings.networkOptions, features, length, vocabularySize: tokenizer.vocabularySize },
    ...(old?.name === name && old.folder !== undefined && { folder: old.folder }),
  };
  const network = await loadNetwork<Network>(reference, {
    run: before?.folder,
    bases: [fileURLToPath(import.meta.url)],
  });
  if (network.conditions?.join() !== 'tokens,textEmbedding')
    throw new Error(
      `--task prior: network ${name} must take the conditions 'tokens' and 'textEmbedding', and takes ${network.conditions?.join(', ') || 'none'}`,
    );
  const parameters = namedParameters({ prior: network });
  const vector = [1, 1, features] as const;
  const one: Batch = {
    tokens: { data: tokenizer.encode(dataset.captions(0)[0]), item: [length] },
    textEmbedding: { data: new Float32Array(features).fill(1), item: [features] },
  };
  await checkNetwork(network, {
    ...{ name, parameters, execution, image: vector, condition: one, blind: false },
    told: toldOf(parameterisation, someLevels(levels)),
  });

  const meaning = { features, image, captions: { ...known.captions, dropout }, levels };
  const objective = { network, parameters, parameterisation, loss: l2 };
  const task = withImageEmbeddings(denoising({ ...objective, levels: source }), known);
  const validation = withImageEmbeddings(denoising({ ...objective, levels: steady, evaluation: true }), known);
  const compiled = once(() => compileDiffusionPrior(execution, { ...meaning, network, parameters, clip: known }));
  return {
    task: holding(dropout > 0 ? withCaptionDropout(task, tokenizer, { probability: dropout }) : task, known),
    validation,
    tokenizer,
    networks: { prior: reference, clip: known.reference },
    meaning: diffusionPriorMeaningToJson(meaning),
    description: `Network: ${name}, ${parameterCount(network).toLocaleString('en')} parameters, from captions of ${length} tokens of ${tokenizer.vocabularySize} to vectors of ${features} features`,
    async preview() {
      const captions = Array.from({ length: COUNT }, (_, i) => dataset.captions!(i % dataset.size)[0]);
      const { captionedGrid } = await import('@ddpm/images/plot');
      const vectors = await (await compiled.get()).vectors(captions, { seed });
      return captionedGrid(await nearestPictures(vectors, dataset, known), captions);
    },
    quarters: ({ time }, values) =>
      quarters(
        values.get('loss')!,
        Array.from(time.data, (each) => wayTo(levels, each)),
      ),
    async operations() {
      const network_ = await compileNetwork(execution, network, { parameters, image: vector, condition: one });
      const { operations } = await network_.cost();
      await network_.dispose();
      return operations;
    },
    dispose: () => compiled.dispose(),
  };
}

/** For each vector the picture, of some that are spread over a dataset, whose own vector is nearest to it. */
async function nearestPictures(
  vectors: Float32Array,
  dataset: Dataset,
  { clip: encoder, image, features }: Awaited<ReturnType<typeof openClip>>,
) {
  const n = Math.min(AMONG, dataset.size);
  const numbers = Int32Array.from({ length: n }, (_, i) => Math.floor((i * dataset.size) / n));
  const { data } = (await readExamples(dataset, numbers)).image;
  const nearest = tf.tidy(() => {
    const own = encoder.encodeImage(tf.tensor4d(data, [n, ...image]));
    const products = tf.matMul(tf.tensor2d(vectors, [vectors.length / features, features]), own, false, true);
    return tf.argMax(products, 1).dataSync();
  });
  const pictures = toImages(data, [n, ...image]);
  return Array.from(nearest, (i) => pictures[i]);
}

/** Learns to make vectors of images out of captions. */
export const diffusionPrior = kind({
  name: 'prior',
  does: "a network that makes CLIP's vectors of images out of captions",
  ...{ options, presets, make },
});
