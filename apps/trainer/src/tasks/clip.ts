import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { UsageError } from '@ddpm/app-common';
import type { JsonObject, NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { namedParameters, parameterCount } from '@ddpm/layers';
import { clipMeaningToJson } from '@ddpm/models';
import type { Clip } from '@ddpm/text';
import { contrastive, tokenizerFromJson } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { captionOptions, vocabularyOf } from './captions';
import type { Ingredients, Preset, Training } from './training';
import { kind } from './training';

const options = { Captions: captionOptions } as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** Which caption belongs to which portrait. */
const clipPreset: Settings = {
  ...defaults,
  ...{ dataset: 'pixel-art', flip: false, steps: 1500, batchSize: 128, validation: 512, validateEvery: 500 },
  ...{ learningRate: 1e-3, warmup: 100, decay: 'cosine', beta2: 0.98, weightDecay: 0.1, clipNorm: 1, ema: 0.99 },
  ...{ vocabulary: 'words', vocabularySize: 2000, captionLength: 20, network: '@ddpm/text', checkpointEvery: 500 },
};

const presets: Readonly<Record<string, Preset<Settings>>> = {
  clip: { does: 'which caption belongs to which portrait of pixel-art, in some minutes', settings: clipPreset },
};

/** Two encoders, of images and of captions, that tell which belong together (Radford et al. 2021). */
async function make({ settings, dataset, execution, before }: Ingredients<Settings>): Promise<Training> {
  const { network: name, seed, accumulate } = settings;
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
    },
  };
  const clip = await loadNetwork<Clip>(reference, { run: before?.folder, bases: [fileURLToPath(import.meta.url)] });
  const parameters = namedParameters({ clip });
  return {
    task: contrastive(clip, { parameters }),
    tokenizer,
    networks: { clip: reference },
    meaning: clipMeaningToJson({ image, captions: { length, tokenizer: tokenizer.json as JsonObject } }),
    description: `Network: ${name}, ${parameterCount(clip).toLocaleString('en')} parameters, of captions of ${length} tokens of ${vocabularySize}`,
    async operations() {
      const inputs = [tf.zeros([1, ...image]), tf.zeros([1, length], 'int32')] as [tf.Tensor4D, tf.Tensor2D];
      const score = (x: tf.Tensor4D, tokens: tf.Tensor2D) => clip.apply(x, tokens);
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
  ...{ options, presets, make },
});
