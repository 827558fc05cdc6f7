import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { schedules, UsageError } from '@ddpm/app-common';
import type { JsonObject, NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { stratified, withNoisedImages } from '@ddpm/diffusion';
import { namedParameters, parameterCount } from '@ddpm/layers';
import { clipMeaningToJson, scheduleLevels } from '@ddpm/models';
import type { Clip } from '@ddpm/text';
import { contrastive, tokenizerFromJson } from '@ddpm/text';
import type { Arrays, Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { captionOptions, vocabularyOf } from './captions';
import { quarters } from './denoise';
import { options as denoiseOptions } from './denoise-options';
import { noisedOption } from './noised-option';
import { wayTo } from './objective';
import type { Ingredients, Preset, Training } from './training';
import { kind } from './training';

const { schedule, timesteps } = denoiseOptions['Noise levels'];
const options = {
  'What is learned': { noised: noisedOption },
  'Noise levels': { schedule, timesteps },
  Captions: captionOptions,
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The noise levels of the preset pixel-art, whose model one of noisy images is to guide. */
const levelsOfPortraits = { schedule: 'velocity-cosine', timesteps: 1000 };

/** Which caption belongs to which portrait. */
const clipPreset: Settings = {
  ...defaults,
  ...{ dataset: 'pixel-art', flip: false, steps: 1500, batchSize: 128, validation: 512, validateEvery: 500 },
  ...{ learningRate: 1e-3, warmup: 100, decay: 'cosine', beta2: 0.98, weightDecay: 0.1, clipNorm: 1, ema: 0.99 },
  ...{ vocabulary: 'words', vocabularySize: 2000, captionLength: 20, network: '@ddpm/text', checkpointEvery: 500 },
};

const presets: Readonly<Record<string, Preset<Settings>>> = {
  clip: { does: 'which caption belongs to which portrait of pixel-art, in some minutes', settings: clipPreset },
  'noised-clip': {
    does: 'the same at every noise level of the preset pixel-art, to guide by',
    settings: { ...clipPreset, noised: true, ...levelsOfPortraits },
  },
};

/** Only with noise are there levels, those of portraits where nobody says. */
function settle(settings: Settings, given: readonly string[]): Settings {
  if (settings.noised) return { ...levelsOfPortraits, ...settings };
  const useless = ['schedule', 'timesteps'].filter((name) => given.includes(name));
  if (useless.length > 0)
    throw new UsageError(`${useless.map((name) => `--${name}`).join(', ')}: a CLIP has noise levels with --noised`);
  return settings;
}

/** Two encoders, of images and of captions, that tell which belong together (Radford et al. 2021). */
async function make({ settings, dataset, execution, before }: Ingredients<Settings>): Promise<Training> {
  const { network: name, seed, accumulate, noised = false } = settings;
  const { shape: image } = dataset;
  if (!dataset.captions) throw new Error(`--task clip needs captions, which ${settings.dataset} does not have here`);
  if (image[0] !== image[1])
    throw new Error(
      `--task clip needs square images, and these are ${image[0]}×${image[1]}; --image-size makes them so`,
    );
  if (accumulate > 1)
    throw new UsageError('--accumulate cuts a batch, each image of which --task clip compares with all captions');
  const known = before?.checkpoint.meaning.captions as { tokenizer: JsonObject; length: number } | undefined;
  const tokenizer = known
    ? tokenizerFromJson(known.tokenizer, { length: known.length })
    : vocabularyOf(settings, dataset);
  const { length, vocabularySize } = tokenizer;
  const reference: NetworkReference = {
    name,
    options: {
      ...{ channels: image[2], imageSize: image[0], seed },
      ...settings.networkOptions,
      ...{ vocabularySize, length },
      ...(noised && { noised }),
    },
  };
  const clip = await loadNetwork<Clip>(reference, { run: before?.folder, bases: [fileURLToPath(import.meta.url)] });
  const parameters = namedParameters({ clip });
  const noise = noised ? schedules[settings.schedule!]({ timesteps: settings.timesteps! }) : undefined;
  const levels = noise && scheduleLevels(noise);
  const task = contrastive(clip, { parameters });
  return {
    task: noise ? withNoisedImages(task, { levels: stratified(noise) }) : task,
    tokenizer,
    networks: { clip: reference },
    meaning: clipMeaningToJson({ image, captions: { length, tokenizer: tokenizer.json as JsonObject }, levels }),
    description: `Network: ${name}, ${parameterCount(clip).toLocaleString('en')} parameters, of captions of ${length} tokens of ${vocabularySize}${noise ? `, and images at ${noise.timesteps} noise levels` : ''}`,
    ...(levels && {
      quarters: ({ time }: Batch, values: Arrays) =>
        quarters(
          values.get('loss')!,
          Array.from(time.data, (each) => wayTo(levels, each)),
        ),
    }),
    async operations() {
      const inputs = [tf.zeros([1, ...image]), tf.zeros([1, length], 'int32'), ...(noise ? [tf.zeros([1])] : [])];
      const score = (...[x, tokens, told]: tf.Tensor[]) =>
        clip.apply(x as tf.Tensor4D, tokens as tf.Tensor2D, told as tf.Tensor1D | undefined);
      const { operations } = await execution.cost(score, inputs, { parameters });
      tf.dispose(inputs);
      return operations;
    },
    dispose: () => Promise.resolve(),
  };
}

/** Learns to tell which caption belongs to which image. */
export const clipTask = kind({
  name: 'clip',
  does: 'two networks that tell which caption belongs to which image',
  ...{ options, presets, settle, make },
});
