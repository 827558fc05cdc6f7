import '@tensorflow/tfjs-backend-cpu';
import { fromStrength, qSample, repaint, stack, withKnown } from '@ddpm/diffusion';
import { toBytes } from '@ddpm/images';
import type { CaptionMeaning, CompiledNetwork, Denoiser, DrawOptions, Guidance } from '@ddpm/models';
import { captionTokens, chooseSampler, compileNetwork, draw, openDenoiser } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import { squarePixels } from '../picture-files';
import { serve } from '../rpc';
import type { Asked } from '../rpc';
import { startExecution } from './execution';
import { packages } from './packages';

/* A checkpoint, and drawing with it. */

export interface LoadRequest {
  readonly bytes: Uint8Array;
  readonly device?: string;
  readonly threads?: number;
}

/** Facts of a model that a page has to know. */
export interface ModelFacts {
  readonly image: readonly [h: number, w: number, c: number];
  readonly classNames?: readonly string[];
  /** The words that it knows, where it draws from words; none where they are too many to show. */
  readonly words?: readonly string[];
  /** Whether training left classes or captions out, so that there is guidance. */
  readonly guided: boolean;
  readonly step?: number;
  readonly parameters: number;
}

export interface DrawRequest {
  readonly sampler?: string;
  readonly steps?: number;
  readonly guidance: number;
  readonly seed: number;
  readonly count: number;
  /** A class for all, or −1 for each in turn. */
  readonly label: number;
  /** The captions, for a model that draws from words. */
  readonly words?: string;
  /** A picture [h, w, c] in [−1, 1] to change, and by how much. */
  readonly picture?: Float32Array;
  readonly strength?: number;
  /** Where the picture is to be drawn anew, [h, w] of 1 and 0, and how often each level is gone through to fit that to the rest. */
  readonly mask?: Float32Array;
  readonly times?: number;
}

/** x and x̂_0 after a step, as bytes [count, h, w, c]. */
export interface Frame {
  readonly index: number;
  readonly steps: number;
  readonly x: Uint8Array;
  readonly x0: Uint8Array;
}

/** The images, in about [−1, 1], and the seconds that they took. */
export interface Drawing {
  readonly values: Float32Array;
  readonly seconds: number;
}

let model: { readonly denoiser: Denoiser; readonly run: CompiledNetwork } | undefined;

async function load({ bytes, device, threads }: LoadRequest): Promise<ModelFacts> {
  const { denoiser, checkpoint } = await openDenoiser(bytes, { packages });
  const execution = await startExecution({ device, threads });
  const { network, parameters, image, classNames, captions } = denoiser;
  const conditions = conditionsOf(denoiser, { label: 0, words: '', count: 1 });
  const { condition } = conditions;
  const run = await compileNetwork(execution, network, { parameters, image, condition, fixed: true });
  await model?.run.dispose();
  model = { denoiser, run };
  return {
    image,
    classNames,
    ...(captions && { words: vocabulary(captions) }),
    guided: conditions.none !== undefined,
    step: checkpoint?.step,
    parameters: [...parameters.values()].reduce((sum, { size }) => sum + size, 0),
  };
}

/** A tokenizer's whole words, if they are few. */
function vocabulary({ tokenizer }: CaptionMeaning): readonly string[] {
  const { vocab } = tokenizer.model as { vocab?: Readonly<Record<string, number>> };
  const words = Object.keys(vocab ?? {}).filter((word) => /^\w/.test(word));
  return words.length <= 60 ? words : [];
}

/** The conditions of each image, and what stands for none, where training has left them out. */
function conditionsOf(
  { network, classNames, labelDropout = 0, captions }: Denoiser,
  { label, words, count }: Required<Pick<DrawRequest, 'label' | 'words' | 'count'>>,
): { condition?: Batch; none?: Guidance['none'] } {
  const asked = network.conditions?.join() ?? '';
  if (asked === 'tokens' && captions)
    return {
      condition: captionTokens(captions, [words], count),
      ...(captions.dropout > 0 && { none: captionTokens(captions, ['']) }),
    };
  if (asked === 'label' && classNames) {
    const { length } = classNames;
    const each = Int32Array.from({ length: count }, (_, i) => (label < 0 ? i % length : label));
    return { condition: { label: { data: each, item: [] } }, ...(labelDropout > 0 && { none: length }) };
  }
  if (asked !== '') throw new Error(`it has to be told ${asked}, which this page cannot`);
  return {};
}

/** A sampler, where it begins, and what is to be freed after it. */
interface Way extends Pick<DrawOptions, 'sampler' | 'begin'> {
  readonly dispose: () => void;
}

/** From noise, from a picture among noise (Meng et al. 2022), or around what is known of it (Lugmayr et al. 2022). */
function wayOf(
  { sampler: name, steps, picture, strength = 1, mask, times }: DrawRequest,
  { levels: all, image }: Denoiser,
): Way {
  const { levels, make } = chooseSampler({ sampler: name, steps }, all);
  if (!picture) return { sampler: make(levels), dispose() {} };
  const pictures = tf.tensor4d(picture, [1, ...image]);
  if (mask) {
    const known = { image: pictures, mask: tf.tensor4d(mask, [1, image[0], image[1], 1]) };
    const sampler = repaint(levels, make, { ...known, jump: 1, times });
    return {
      sampler,
      begin: ({ xT, rng }) => withKnown(xT, levels[0], known, rng),
      dispose: () => tf.dispose(Object.values(known)),
    };
  }
  const sampler = make(fromStrength(levels, strength));
  const [first] = sampler.levels;
  return {
    sampler,
    begin: ({ noise }) => tf.tidy(() => qSample(stack([first]), pictures, noise)),
    dispose: () => pictures.dispose(),
  };
}

async function drawImages(request: DrawRequest, { progress, check }: Asked<Frame>): Promise<Drawing> {
  if (!model) throw new Error('there is no model');
  const { denoiser, run } = model;
  const { parameterisation, image } = denoiser;
  const { guidance: scale, seed, count, label, words = '', picture, mask } = request;
  const { condition, none } = conditionsOf(denoiser, { label, words, count });
  const { dispose, ...way } = wayOf(request, denoiser);
  const begun = performance.now();
  try {
    const values = await draw({
      ...{ network: run, parameterisation, ...way, image, count, seed },
      ...(condition && { condition }),
      ...(none !== undefined && scale !== 1 && { guidance: { scale, none } }),
      async onStep({ index, steps, x, x0 }) {
        const seen = await x0.data<'float32'>();
        if (picture && mask) restore(seen, picture, mask);
        const [now, thought] = [toBytes(await x.data<'float32'>()), toBytes(seen)];
        progress({ index, steps, x: now, x0: thought }, [now.buffer, thought.buffer]);
        await check();
      },
    });
    return { values, seconds: (performance.now() - begun) / 1000 };
  } finally {
    dispose();
  }
}

/** Puts what is known of a picture [h, w, c] into images [n, h, w, c]. */
function restore(images: Float32Array, picture: Float32Array, mask: Float32Array): void {
  const channels = picture.length / mask.length;
  for (let i = 0; i < images.length; i++) {
    const at = i % picture.length;
    if (mask[Math.floor(at / channels)] === 0) images[i] = picture[at];
  }
}

/** A picture in a file, made [h, w, c] in [−1, 1] as the model's. */
async function openPicture(file: File): Promise<Float32Array> {
  if (!model) throw new Error('there is no model');
  const [height, width, channels] = model.denoiser.image;
  const rgba = await squarePixels(file, [height, width]);
  if (!rgba) throw new Error(`${file.name} is no picture`);
  const gray = channels === 1;
  return Float32Array.from({ length: height * width * channels }, (_, i) => {
    const at = 4 * Math.floor(i / channels);
    const byte = gray ? (rgba[at] + rgba[at + 1] + rgba[at + 2]) / 3 : rgba[at + (i % channels)];
    return byte / 127.5 - 1;
  });
}

serve({ load, picture: openPicture, draw: drawImages, 'draw again': drawImages });
