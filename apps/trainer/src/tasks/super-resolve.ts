import { fileURLToPath } from 'node:url';
import type { SettingsOf } from '@ddpm/app-common';
import { number, UsageError, wholeNumber } from '@ddpm/app-common';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import type { Network } from '@ddpm/diffusion';
import { denoising, l2, superResolution, withLowRes } from '@ddpm/diffusion';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { namedParameters, parameterCount } from '@ddpm/layers';
import { compileNetwork, draw, lowResCondition, meaningToJson, resized, samplerFor } from '@ddpm/models';
import { z } from 'zod';
import { checkNetwork } from '../check-network';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
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
  'Small pictures': {
    fromSize: {
      flag: '--from-size <pixels>',
      does: 'height and width of the small pictures that images are made of',
      schema: wholeNumber(1),
      read: number,
      inherited: true,
    },
    maxAugmentation: {
      flag: '--max-augmentation <s>',
      does: 'the most noise that is added to them in training, as a share from 0, for none, to below 1',
      schema: z
        .number({ error: 'must be a number from 0 to below 1' })
        .min(0, 'must be a number from 0 to below 1')
        .lt(1, 'must be a number from 0 to below 1'),
      read: number,
      inherited: true,
    },
  },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The second stage of a cascade for Fashion-MNIST, from 14×14 to 28×28. */
const stage: Settings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist-10k', flip: true, steps: 2000, batchSize: 32 },
  ...{ learningRate: 3e-3, warmup: 100, decay: 'cosine', beta2: 0.99, weightDecay: 0.01, clipNorm: 1, ema: 0.99 },
  ...{ parameterisation: 'velocity', schedule: 'velocity-cosine', timesteps: 1000 },
  ...{ fromSize: 14, maxAugmentation: 0.5, network: '@ddpm/adm' },
  networkOptions: {
    ...{ patchSize: 2, modelChannels: 16, channelMult: [2, 4], numResBlocks: 1 },
    ...{ attentionResolutions: [2], numHeads: 4, groups: 8 },
  },
  ...{ sampleEvery: 500, checkpointEvery: 500 },
};

/** The same by Imagen's efficient U-Net. */
const efficient: Settings = {
  ...stage,
  network: '@ddpm/imagen',
  networkOptions: { modelChannels: 16, channelMult: [2, 4], numResBlocks: [1, 3], numHeads: 4, groups: 8 },
};

const presets: Readonly<Record<string, Preset<Settings>>> = {
  'super-resolution': { does: 'Fashion-MNIST from 14×14 to 28×28, in some minutes', settings: stage },
  'efficient-super-resolution': { does: "the same by Imagen's efficient U-Net", settings: efficient },
};

/** A denoiser that is told a small picture of the image: a stage of a cascade (Ho et al. 2021). */
async function make({ settings, dataset, execution, before }: Ingredients<Settings>): Promise<Training> {
  const { network: name, fromSize, maxAugmentation, seed } = settings;
  const image = dataset.shape;
  const [h, w, c] = image;
  if (fromSize >= Math.min(h, w))
    throw new UsageError(`--from-size ${fromSize} is to be smaller than the images, which are ${h}×${w}`);
  const size = [fromSize, fromSize] as const;
  const { parameterisation, levels, source, steady } = objectiveOf(
    { ...settings, levelSource: 'stratified', weighting: 'none' },
    undefined,
  );
  const known = before?.checkpoint.networks.denoiser;
  const output = name === '@ddpm/unet' ? 'outDim' : 'outChannels';
  const reference: NetworkReference = {
    name,
    options: { channels: 2 * c + 1, [output]: c, seed, ...settings.networkOptions },
    ...(known?.name === name && known.folder !== undefined && { folder: known.folder }),
  };
  const inner = await loadNetwork<Network>(reference, { run: before?.folder, bases: [fileURLToPath(import.meta.url)] });
  if (inner.conditions?.length)
    throw new Error(
      `--task super-resolution: network ${name} takes the condition ${inner.conditions.join(', ')}, and gets only channels`,
    );
  const network = superResolution(inner);
  const parameters = namedParameters({ denoiser: network });
  const small = await smallPictures(dataset, size);
  const lowRes = { size, maxAugmentation };
  const condition = lowResCondition(small.slice(0, fromSize * fromSize * c), { image, lowRes }, none);
  await checkNetwork(network, {
    ...{ name, parameters, execution, image, condition, blind: false },
    told: toldOf(parameterisation, someLevels(levels)),
  });

  const objective = { network, parameters, parameterisation, loss: l2 };
  const toSmall = {
    maxAugmentation,
    lowRes: (values: Float32Array) => resized(resized(values, image, size), [fromSize, fromSize, c], [h, w]),
  };
  const compiled = once(() => compileNetwork(execution, network, { parameters, image, condition }));
  return {
    task: withLowRes(denoising({ ...objective, levels: source }), toSmall),
    validation: withLowRes(denoising({ ...objective, levels: steady, evaluation: true }), toSmall),
    networks: { denoiser: reference },
    meaning: meaningToJson({ image, parameterisation, levels, lowRes }),
    description: `Network: ${name}, ${parameterCount(network).toLocaleString('en')} parameters, told pictures of ${size.join('×')}`,
    async preview() {
      const given = lowResCondition(small, { image, lowRes }, none);
      const count = given.augmentation.data.length;
      const made = await draw({
        ...{ network: await compiled.get(), parameterisation, image, count, seed },
        ...{ sampler: samplerFor({}, levels), condition: given },
      });
      const shape = [count, ...image] as const;
      const [before, after] = [given.lowRes.data as Float32Array, made].map((values) => toImages(values, shape));
      return enlarge(imageGrid(before.flatMap((each, i) => [each, after[i]])), 2);
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

/** Small pictures as they are. */
const none = { augmentation: 0, seed: 0 };

/** The first images, as small pictures. */
async function smallPictures(dataset: Dataset, size: readonly [number, number]): Promise<Float32Array> {
  const numbers = Int32Array.from({ length: Math.min(COUNT, dataset.size) }, (_, i) => i);
  const { image } = await readExamples(dataset, numbers);
  return resized(image.data, dataset.shape, size);
}

export const superResolve = kind({
  name: 'super-resolution',
  does: 'a network that makes large images of small ones, a stage of a cascade',
  ...{ options, presets, make },
});
