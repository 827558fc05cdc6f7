import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { number, UsageError, wholeNumber } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { classifying } from '@ddpm/classifier';
import { namedParameters, parameterCount } from '@ddpm/layers';
import type { ClassifierNetwork } from '@ddpm/models';
import { classifierMeaningToJson } from '@ddpm/models';
import * as tf from '@tensorflow/tfjs';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { options as ofDenoising } from './denoise-options';
import { makeNoised, noised } from './noised-classifier';
import { noisedOption } from './noised-option';
import type { Ingredients, Training } from './training';
import { kind } from './training';

const { schedule, timesteps } = ofDenoising['Noise levels'];
const options = {
  'What is learned': {
    noised: noisedOption,
  },
  'Noise levels': { schedule, timesteps },
  Data: {
    shift: {
      flag: '--shift <pixels>',
      does: 'move each image by up to so many pixels in each direction, drawn anew in each epoch',
      schema: wholeNumber(0),
      read: number,
    },
  },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The classifier whose features `ddpm-evaluate` uses. */
const classifier: Settings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist', flip: true, shift: 0, epochs: 12, batchSize: 64 },
  ...{ learningRate: 2e-3, warmup: 200, decay: 'cosine', weightDecay: 0.05, clipNorm: 1, ema: 0.995 },
  ...{ network: '@ddpm/classifier', checkpointEvery: 500 },
};

/** Only with noise are there levels, of the schedule of the preset for it where nobody says, and its network. */
function settle(settings: Settings, given: readonly string[]): Settings {
  if (settings.noised) {
    if (given.includes('shift') && settings.shift > 0)
      throw new UsageError('--shift moves images without noise; --noised has no use for it');
    const { network, networkOptions, schedule: ofPreset, timesteps: steps } = noised;
    const own = settings.network !== classifier.network || given.includes('network');
    return {
      ...{ ...settings, shift: 0, schedule: settings.schedule ?? ofPreset, timesteps: settings.timesteps ?? steps },
      ...(!own && { network, networkOptions: { ...networkOptions, ...settings.networkOptions } }),
    };
  }
  const useless = ['schedule', 'timesteps'].filter((name) => given.includes(name));
  if (useless.length > 0)
    throw new UsageError(
      `${useless.map((name) => `--${name}`).join(', ')}: a classifier has noise levels with --noised`,
    );
  return settings;
}

/** A network that tells the dataset's classes apart. */
async function make(ingredients: Ingredients<Settings>): Promise<Training> {
  const { settings, dataset, execution, before } = ingredients;
  const { classNames, shape: image } = dataset;
  if (!classNames || classNames.length < 2)
    throw new Error(`--task classifier needs at least two classes, which ${settings.dataset} does not have here`);
  const known = before?.checkpoint.networks.classifier;
  const reference: NetworkReference = {
    name: settings.network,
    options: { channels: image[2], classes: classNames.length, seed: settings.seed, ...settings.networkOptions },
    ...(known?.name === settings.network && known.folder !== undefined && { folder: known.folder }),
  };
  const network = await loadNetwork<ClassifierNetwork>(reference, {
    run: before?.folder,
    bases: [fileURLToPath(import.meta.url)],
  });
  if (settings.noised) return makeNoised(ingredients, { reference, network, classNames });
  const parameters = namedParameters({ classifier: network });
  checkLogits(network, settings.network, image, classNames.length);
  return {
    task: classifying({ network, parameters, shift: settings.shift }),
    validation: classifying({ network, parameters }),
    networks: { classifier: reference },
    meaning: classifierMeaningToJson({ image, classNames }),
    description: `Network: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters, to tell ${classNames.length} classes apart`,
    async operations() {
      const example = tf.zeros<tf.Rank.R4>([1, ...image]);
      const { operations } = await execution.cost((x: tf.Tensor4D) => network.apply(x), [example], { parameters });
      example.dispose();
      return operations;
    },
    dispose: () => Promise.resolve(),
  };
}

/** @throws Error in one line unless the network makes as many logits as there are classes */
function checkLogits(
  network: ClassifierNetwork,
  name: string,
  image: readonly [h: number, w: number, c: number],
  classes: number,
): void {
  const shape = tf.tidy(() => network.apply(tf.zeros<tf.Rank.R4>([2, ...image])).shape);
  if (shape.join() !== [2, classes].join())
    throw new Error(
      `network ${name} should make logits [n, ${classes}] of ${image.join('×')} images, but of 2 it makes [${shape.join(', ')}]`,
    );
}

/** A network that tells classes apart: what images are judged by. */
export const classify = kind({
  ...{ name: 'classifier', does: 'a network that tells the classes of images apart', options, settle, make },
  presets: {
    classifier: { does: 'the classifier of Fashion-MNIST that images are judged by', settings: classifier },
    'noised-classifier': {
      does: 'a classifier of Fashion-MNIST at every noise level of quick, to guide by',
      settings: { ...classifier, ...noised },
    },
  },
  needs: ['label'],
});
