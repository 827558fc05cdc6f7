import { fileURLToPath } from 'node:url';
import type { NetworkReference } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { readExamples } from '@ddpm/datasets';
import type { Network } from '@ddpm/diffusion';
import {
  denoising,
  inpainting,
  kept,
  l2,
  logNormal,
  randomMask,
  stratified,
  uniformFlow,
  withMasks,
} from '@ddpm/diffusion';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { loadParameters, namedParameters, parameterCount } from '@ddpm/layers';
import type { Denoiser } from '@ddpm/models';
import { captionTokens, knownCondition, meaningToJson } from '@ddpm/models';
import { Random } from '@ddpm/random';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { variablesOf } from './frozen';
import type { Ingredients, Training } from './training';
import { kind } from './training';
import { openTuned, tunedTraining } from './tuned';

/** Pictures in a preview. */
const COUNT = 8;
const NAME = 'inpaint';

const preset: CommonSettings = {
  ...defaults,
  ...{ dataset: 'folder', flip: false, steps: 1000, batchSize: 32 },
  ...{ learningRate: 1e-3, warmup: 50, decay: 'cosine', beta2: 0.99, clipNorm: 1, ema: 0.99 },
  ...{ network: 'that of --from', sampleEvery: 250, checkpointEvery: 250 },
};

/**
 * A denoiser that learns to draw what is missing of a picture: its first convolution gets channels for the known part and
 * for where that is, with weights of 0 (Nichol et al. 2021, GLIDE, §2.4).
 */
async function make(ingredients: Ingredients): Promise<Training> {
  const { settings, dataset, before } = ingredients;
  const own = Object.keys(knownCondition({ image: dataset.shape }, 1));
  const { denoiser: opened } = await openTuned(NAME, ingredients, { given: own, latents: 'none' });
  const known = before!.checkpoint.networks.denoiser;
  const reference = opened.inpainting ? known : widerReference(known, opened);
  const denoiser = opened.inpainting ? opened : await widened(opened, reference, before!.folder);
  const { network, parameters, parameterisation, levels, image } = denoiser;
  const source = levels.schedule ? stratified(levels.schedule) : levels.kind === 'flow' ? uniformFlow() : logNormal();
  const objective = { network, parameters, parameterisation, loss: l2, levels: source };
  const { drawn, ...trained } = tunedTraining(ingredients, {
    opened: { denoiser, variables: variablesOf(network) },
    task: withMasks(denoising(objective)),
    validation: withMasks(denoising({ ...objective, evaluation: true })),
    given: (count) => knownCondition(denoiser, count),
  });
  return {
    ...trained,
    begun: true,
    networks: { denoiser: reference },
    meaning: meaningToJson(denoiser),
    description: `Network: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters, told what is known of a picture`,
    async preview() {
      const { told, pictures, known, captions } = await examples();
      const count = pictures.mask.length / (image[0] * image[1]);
      const [whole, where] = [
        tf.tensor4d(pictures.image, [count, ...image]),
        tf.tensor4d(pictures.mask, [count, image[0], image[1], 1]),
      ];
      const made = await drawn(count, {
        condition: told,
        lead: (denoise) => kept(denoise, { image: whole, mask: where }),
      }).finally(() => tf.dispose([whole, where]));
      const [before, after] = [known, made].map((values) => toImages(values, [count, ...image]));
      const pairs = before.flatMap((each, i) => [each, after[i]]);
      if (!captions) return enlarge(imageGrid(pairs), 2);
      const { captionedGrid } = await import('@ddpm/images/plot');
      return captionedGrid(
        pairs,
        captions.flatMap((caption) => ['', caption]),
      );
    },
  };

  /** The first pictures, what is known of them by random masks, and what they are told. */
  async function examples() {
    const [h, w, c] = image;
    const count = Math.min(COUNT, dataset.size);
    const numbers = Int32Array.from({ length: count }, (_, i) => i);
    const { image: pictures, label } = await readExamples(dataset, numbers);
    const rng = new Random([settings.seed, 'preview']);
    const mask = new Float32Array(count * h * w);
    for (let i = 0; i < count; i++) mask.set(randomMask(h, w, rng), i * h * w);
    const known = pictures.data.map((value, i) => (mask[Math.floor(i / c)] === 1 ? 0 : value));
    const captions =
      network.conditions?.includes('tokens') && denoiser.captions
        ? Array.from(numbers, (i) => dataset.captions!(i)[0])
        : undefined;
    const told: Batch = {
      known: { data: known, item: image },
      mask: { data: mask, item: [h, w, 1] },
      ...(label && network.conditions?.includes('label') && { label }),
      ...(captions && captionTokens(denoiser.captions!, captions)),
    };
    return { told, known, captions, pictures: { image: pictures.data, mask } };
  }
}

/** The same network of images with 2c + 1 channels, which says as much as it did. */
function widerReference(reference: NetworkReference, { image: [, , c], parameterisation }: Denoiser): NetworkReference {
  const { name, options } = reference;
  const output = name === '@ddpm/unet' ? 'outDim' : 'outChannels';
  const outputs = parameterisation.variance === undefined ? c : 2 * c;
  return { ...reference, options: { ...options, channels: 2 * c + 1, [output]: outputs } };
}

/**
 * A denoiser whose network is made anew with channels for a picture and a mask, with weights of 0: at first it says what
 * it did.
 * @throws Error in one line if its network has parameters that do not go with more channels
 */
async function widened(denoiser: Denoiser, reference: NetworkReference, run: string): Promise<Denoiser> {
  const network = await loadNetwork<Network>(reference, { run, bases: [fileURLToPath(import.meta.url)] });
  const before = denoiser.parameters;
  const after = namedParameters({ denoiser: network });
  const refuse = (why: string) =>
    new Error(`--task ${NAME}: network ${reference.name} cannot get more channels: ${why}`);
  const extra =
    [...after.keys()].find((name) => !before.has(name)) ?? [...before.keys()].find((name) => !after.has(name));
  if (extra !== undefined) throw refuse(`with them it has other parameters, such as ${extra}`);
  const wider = [...after].filter(([name, { shape }]) => shape.join() !== before.get(name)!.shape.join());
  if (wider.length !== 1)
    throw refuse(
      wider.length === 0 ? 'no parameter has become larger' : `${wider.map(([name]) => name).join(' and ')} change`,
    );
  const [[name, { shape }]] = wider;
  const old = before.get(name)!;
  const differing = shape.flatMap((size, axis) => (size === old.shape[axis] ? [] : [axis]));
  if (shape.length !== old.shape.length || differing.length !== 1 || shape[differing[0]] < old.shape[differing[0]])
    throw refuse(`${name} is [${old.shape.join(', ')}], and would be [${shape.join(', ')}]`);
  const values = new Map(
    [...after].map(([path, variable]) => {
      const padded = tf.tidy(() => {
        const known = before.get(path)!;
        const more = variable.shape.map((size, axis): [number, number] => [0, size - known.shape[axis]]);
        return tf.pad(known, more).dataSync<'float32'>();
      });
      return [path, { shape: variable.shape, data: padded }] as const;
    }),
  );
  loadParameters({ denoiser: network }, values);
  tf.dispose([...before.values()]);
  const whole = inpainting(network);
  return { ...denoiser, network: whole, parameters: namedParameters({ denoiser: whole }), inpainting: true };
}

export const inpaint = kind({
  name: NAME,
  does: 'the denoiser that --from names learns to draw what is missing of a picture',
  begins: ['denoise', 'text-to-image', NAME],
  options: {},
  presets: { inpaint: { does: 'a thousand steps, on what the model was trained on', settings: preset } },
  make,
});
