import '@tensorflow/tfjs-backend-cpu';
import { decodeCheckpoint } from '@ddpm/checkpoint/format';
import { fromStrength } from '@ddpm/diffusion';
import { toBytes } from '@ddpm/images';
import type { CaptionMeaning, CompiledNetwork, Denoiser, Guidance } from '@ddpm/models';
import { captionTokens, chooseSampler, compileNetwork, draw, loadDenoiser } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
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

/** What a page has to know of a model. */
export interface ModelFacts {
  readonly image: readonly [h: number, w: number, c: number];
  readonly classNames?: readonly string[];
  /** The words that it knows, where it draws from words; none where they are too many to show. */
  readonly words?: readonly string[];
  /** Whether training left classes or captions out, so that there is guidance. */
  readonly guided: boolean;
  readonly step: number;
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
  /** What is to be seen, for a model that draws from words. */
  readonly words?: string;
  /** A picture [h, w, c] in [−1, 1] to change, and by how much. */
  readonly picture?: Float32Array;
  readonly strength?: number;
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
  const checkpoint = await decodeCheckpoint(bytes);
  const execution = await startExecution({ device, threads });
  const denoiser = await loadDenoiser(checkpoint, { packages });
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
    step: checkpoint.step,
    parameters: [...parameters.values()].reduce((sum, { size }) => sum + size, 0),
  };
}

/** A tokenizer's whole words, if they are few. */
function vocabulary({ tokenizer }: CaptionMeaning): readonly string[] {
  const { vocab } = tokenizer.model as { vocab?: Readonly<Record<string, number>> };
  const words = Object.keys(vocab ?? {}).filter((word) => /^\w/.test(word));
  return words.length <= 60 ? words : [];
}

/** What the network is told of each image, and what stands for nothing of it, where training has left it out. */
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

async function drawImages(
  { sampler, steps, guidance: guidanceScale, seed, count, label, words = '', picture, strength = 1 }: DrawRequest,
  { progress, check }: Asked<Frame>,
): Promise<Drawing> {
  if (!model) throw new Error('there is no model');
  const { denoiser, run } = model;
  const { parameterisation, image, levels } = denoiser;
  const chosen = chooseSampler({ sampler, steps }, levels);
  const way = chosen.make(picture ? fromStrength(chosen.levels, strength) : chosen.levels);
  const { condition, none } = conditionsOf(denoiser, { label, words, count });
  const begun = performance.now();
  const values = await draw({
    ...{ network: run, parameterisation, sampler: way, image, count, seed },
    ...(condition && { condition }),
    ...(none !== undefined && guidanceScale !== 1 && { guidance: { scale: guidanceScale, none } }),
    ...(picture && {
      begin: ({ noise }) =>
        tf.tidy(() => {
          const pictures = tf.tile<tf.Tensor4D>(tf.tensor4d(picture, [1, ...image]), [count, 1, 1, 1]);
          const { signal, sigma } = way.levels[0];
          return tf.add(tf.mul(signal, pictures), tf.mul(sigma, noise));
        }),
    }),
    async onStep({ index, steps: all, x, x0 }) {
      const [now, seen] = [toBytes(await x.data<'float32'>()), toBytes(await x0.data<'float32'>())];
      progress({ index, steps: all, x: now, x0: seen }, [now.buffer, seen.buffer]);
      await check();
    },
  });
  return { values, seconds: (performance.now() - begun) / 1000 };
}

serve({ load, draw: drawImages, 'draw again': drawImages });
