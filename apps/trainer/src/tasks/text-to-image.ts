import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { kebab, UsageError } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { LevelSource, Network } from '@ddpm/diffusion';
import { denoising, l2 } from '@ddpm/diffusion';
import { toImages } from '@ddpm/images';
import { parameterCount } from '@ddpm/layers';
import type { DenoiserMeaning } from '@ddpm/models';
import { compileNetwork, draw, meaningFromJson, meaningToJson, samplerFor } from '@ddpm/models';
import type { Tokenizer } from '@ddpm/text';
import { tokenizerFromJson } from '@ddpm/text';
import type * as tf from '@tensorflow/tfjs';
import { checkNetwork } from '../check-network';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { modelSchedule, once, quarters, toldOf } from './denoise';
import { options as denoiseOptions } from './denoise-options';
import { captionDropout, captionOptions, tellTokens, vocabularyOf } from './captions';
import { variablesOf } from './frozen';
import { tellFrozen, textEncoderOption } from './frozen-text';
import { latentOptions, openLatents, trainingOver } from './latent';
import { objectiveOf, someLevels, wayTo } from './objective';
import type { Ingredients, Preset, Training } from './training';
import { kind } from './training';

/** Images in a preview. */
const COUNT = 16;
const { parameterisation } = denoiseOptions['What is learned'];
const { schedule, timesteps } = denoiseOptions['Noise levels'];
const options = {
  'What is learned': { parameterisation },
  'Noise levels': { schedule, timesteps },
  Latents: latentOptions,
  Captions: { textEncoder: textEncoderOption, ...captionOptions, captionDropout },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/**
 * Portraits of 16×16 from words. Their first level has squares of 2×2 pixels, where there is most to learn for the time;
 * the average of the weights is as short as the run.
 */
const pixelArt: Settings = {
  ...defaults,
  ...{ dataset: 'pixel-art', flip: false, steps: 10_000, batchSize: 32 },
  ...{ learningRate: 2e-3, warmup: 100, decay: 'cosine', beta2: 0.99, weightDecay: 0.01, clipNorm: 1, ema: 0.995 },
  ...{ parameterisation: 'velocity', schedule: 'velocity-cosine', timesteps: 1000 },
  ...{ vocabulary: 'words', vocabularySize: 2000, captionLength: 20, captionDropout: 0.1 },
  network: '@ddpm/glide',
  networkOptions: {
    ...{ patchSize: 2, modelChannels: 32, channelMult: [2, 3], numResBlocks: 1, attentionResolutions: [1, 2] },
    ...{ numHeads: 4, groups: 8, textWidth: 64, textLayers: 2, textHeads: 4 },
  },
  ...{ sampleEvery: 1000, checkpointEvery: 500 },
};

/** Small steps from what a model knows. */
const fineTune: Settings = {
  ...pixelArt,
  ...{ dataset: 'folder', steps: 500, batchSize: 4, learningRate: 1e-5, warmup: 20, decay: 'constant', ema: 0.99 },
  ...{ network: 'that of --from', networkOptions: {}, sampleEvery: 250, checkpointEvery: 250 },
};

const presets: Readonly<Record<string, Preset<Settings>>> = {
  'pixel-art': { does: 'portraits from words, in twenty minutes or so', settings: pixelArt },
  'fine-tune': {
    does: 'a model of words, such as a Stable Diffusion, on a folder of captioned pictures',
    settings: fineTune,
  },
};

/** A network that has a text transformer of its own, and one that is told what a frozen encoder says. */
const [TRAINED, FROZEN] = ['@ddpm/glide', '@ddpm/imagen'];

/** With a frozen encoder, Imagen's U-Net takes the place of GLIDE's, and the vocabulary is the encoder's. */
function settle(settings: Settings, given: readonly string[]): Settings {
  if (settings.textEncoder === undefined) return settings;
  const useless = (['vocabulary', 'vocabularySize'] as const).find((name) => given.includes(name));
  if (useless) throw new UsageError(`--${kebab(useless)} is of a vocabulary, and --text-encoder has its own`);
  if (given.includes('network') || settings.network !== TRAINED) return settings;
  const { textWidth: _w, textLayers: _l, textHeads: _h, ...options } = settings.networkOptions;
  return { ...settings, network: FROZEN, ...(!given.includes('networkOptions') && { networkOptions: options }) };
}

/**
 * A denoiser that is told what is to be seen, by a text transformer that is trained with it (Nichol et al. 2021), or by a
 * frozen encoder (Saharia et al. 2022).
 */
async function make(ingredients: Ingredients<Settings>): Promise<Training> {
  const { settings, dataset, execution, before } = ingredients;
  const { network: name, captionDropout: dropout } = settings;
  if (!dataset.captions)
    throw new Error(
      `--task text-to-image needs captions, which ${settings.dataset} does not have here; a folder has them in a .txt beside each picture, or in a metadata.jsonl`,
    );
  const told = before && meaningFromJson(before.checkpoint.meaning);
  const telling = settings.textEncoder
    ? await tellFrozen({ folder: settings.textEncoder, length: settings.captionLength, dropout }, execution, told?.text)
    : tellTokens(before ? tokenizerOf(told!) : vocabularyOf(settings, dataset), { dropout });
  const {
    parameterisation: meansWhat,
    levels,
    source,
    steady,
  } = objectiveOf(
    { ...settings, levelSource: 'stratified', weighting: 'none' },
    undefined,
    modelSchedule(settings, before),
  );

  const latents = await openLatents(settings, ingredients);
  const image = latents?.item ?? dataset.shape;
  const known = before?.checkpoint.networks.denoiser;
  const reference: NetworkReference = {
    name,
    options: { channels: image[2], seed: settings.seed, ...settings.networkOptions, ...telling.options },
    ...(known?.name === name && known.folder !== undefined && { folder: known.folder }),
  };
  const network = await loadNetwork<Network>(reference, {
    run: before?.folder,
    bases: [fileURLToPath(import.meta.url)],
  });
  if (network.conditions?.join() !== telling.conditions.join())
    throw new Error(
      `--task text-to-image: network ${name} must take the conditions ${telling.conditions.join(', ')} alone, and takes ${network.conditions?.join(', ') || 'none'}`,
    );
  const { all, parameters, frozen, kept } = variablesOf(network, before?.checkpoint.weights);
  const captions = Array.from({ length: COUNT }, (_, i) => dataset.captions!(i % dataset.size)[0]);
  const [condition, one] = [await telling.condition(captions), await telling.condition(captions.slice(0, 1))];
  await checkNetwork(network, {
    ...{ name, parameters: all, execution, image, condition: one, blind: false },
    told: toldOf(meansWhat, someLevels(levels)),
  });

  const objective = { network, parameters, parameterisation: meansWhat, loss: l2 };
  const over = (levels: LevelSource, evaluation = false) => {
    const task = { ...denoising({ ...objective, levels }), frozen };
    return latents ? latents.over(task, { evaluation }) : task;
  };
  const whole = over(source);
  const compiled = once(() => compileNetwork(execution, network, { parameters: all, image, condition: one }));
  return trainingOver(latents, {
    ...telling.training,
    task: telling.dropped(whole),
    validation: over(steady, true),
    kept,
    networks: { denoiser: reference },
    meaning: meaningToJson({
      ...{ image, parameterisation: meansWhat, levels },
      ...telling.meaning,
      ...(latents && { latents: latents.meaning }),
    }),
    description: `Network: ${name}, ${parameterCount(network).toLocaleString('en')} parameters, ${telling.says}`,
    async preview() {
      const values = await draw({
        ...{ network: await compiled.get(), parameterisation: meansWhat, image, count: COUNT, seed: settings.seed },
        ...{ sampler: samplerFor({}, levels), condition },
        ...(latents && { decode: (made: tf.Tensor4D) => latents.compiled.decode(made) }),
      });
      const { captionedGrid } = await import('@ddpm/images/plot');
      return captionedGrid(toImages(values, [COUNT, ...dataset.shape]), captions);
    },
    quarters: ({ time }, values) =>
      quarters(
        values.get('loss')!,
        Array.from(time.data, (each) => wayTo(levels, each)),
      ),
    operations: async () => (await (await compiled.get()).cost()).operations,
    dispose: async () => void (await Promise.all([compiled.dispose(), telling.dispose()])),
  });
}

export const textToImage = kind({
  name: 'text-to-image',
  does: 'a network that makes images out of noise and captions',
  ...{ options, presets, settle, make },
});

/** The one that a checkpoint holds. */
function tokenizerOf({ captions }: DenoiserMeaning): Tokenizer {
  if (!captions)
    throw new Error(
      'the model has no vocabulary of captions: it is no run of --task text-to-image, or has --text-encoder',
    );
  return tokenizerFromJson(captions.tokenizer, { length: captions.length });
}
