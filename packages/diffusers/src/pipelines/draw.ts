import type { JsonObject } from '@ddpm/checkpoint';
import type { AsyncNetworkFunction, Condition, Network, SampleStep } from '@ddpm/diffusion';
import { sample } from '@ddpm/diffusion';
import type { NormalSource } from '@ddpm/random';
import { Random, sideBySide } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { readSchedulerConfig } from '../schedulers/config';
import { schedulerFromConfig } from '../schedulers/scheduler-from-config';
import type { PipelineParts } from './parts';

/** How to draw; each has its default. */
export interface PipelineSampleOptions {
  /** How many images; by default as many as `prompt` or `latents` have, or 1. */
  count?: number;
  /** Which; 0 by default. */
  seed?: number;
  /** diffusers' `num_inference_steps`; by default all timesteps of a `DDPMScheduler`, and 50 of another, as there. */
  steps?: number;
  /** `DDIMScheduler`'s η; 0 by default. */
  eta?: number;
  /**
   * Another scheduler, by its class, or options in place of the scheduler's own, with `_class_name` those of another
   * with its noise: what it does not say is the pipeline's, as with diffusers' `from_config`. Stable Diffusion's is made to
   * begin at timestep 1 (`steps_offset`) and not to clip latents, as there, unless this says so.
   */
  scheduler?: string | Readonly<Record<string, unknown>>;
  /** Height and width of the images, where they are not to be the config's. */
  size?: readonly [h: number, w: number];
  /** The class of each image, where the U-Net takes classes. */
  label?: readonly number[];
  /** A description of the images, where the pipeline draws from words: one for all, or one for each. */
  prompt?: string | readonly string[];
  /** A description that guidance leads away from, for all images or each; '' by default. */
  negativePrompt?: string | readonly string[];
  /** How much the prompt counts (classifier-free guidance); 7.5 by default, and 1 or less is without. */
  guidanceScale?: number;
  /** The noise to begin with, N(0, 1), instead of the seed's: [count, h, w, c] of what the U-Net works on. */
  latents?: tf.Tensor4D | Float32Array;
  /** Draws all that is random instead of the seed, for all images together; then all are one batch. */
  rng?: NormalSource;
  /** A network to run instead of the U-Net, such as itself compiled. */
  network?: Network | AsyncNetworkFunction;
  /** How many at a time; it does not change them. All by default. */
  batch?: number;
  /** Called after every step of every batch, whose first image has the number `first`, and awaited. */
  onStep?: (step: SampleStep & { readonly first: number }) => void | Promise<void>;
}

/** A pipeline's parts, and its U-Net, wherever it runs. */
export type Drawing = PipelineParts & { readonly run: AsyncNetworkFunction };

const GUIDANCE = 7.5;

/** diffusers' defaults, guidance, and order of things. */
export async function draw(pipeline: Drawing, options: PipelineSampleOptions): Promise<Float32Array> {
  const { latents, text } = pipeline;
  const { seed = 0, label, onStep } = options;
  const network = options.network ?? pipeline.run;
  const shape = shapeOf(pipeline, options);
  const count = countOf(pipeline, options, shape);
  const { batch = count } = options;
  const { sampler, initialScale, denoise } = chosenScheduler(pipeline, options);
  if (options.rng && batch < count) throw new RangeError('Pipeline: with an rng, all images are one batch');

  const words = text && (await contexts(text, options, count));
  const each = tf.util.sizeFromShape(shape);
  const parts: Float32Array[] = [];
  try {
    for (let first = 0; first < count; first += batch) {
      const n = Math.min(batch, count - first);
      const rng =
        options.rng ?? sideBySide(Array.from({ length: n }, (_, i) => new Random([seed, 'sample', first + i])));
      const given = options.latents && (await valuesOf(options.latents)).subarray(first * each, (first + n) * each);
      const noise = (given ?? rng.normals(n * each)).map((z) => initialScale * z);
      const xT = tf.tensor4d(noise, [n, ...shape]);
      const own = words?.map((context) => context && tf.slice(context, [first, 0, 0], [n, -1, -1]));
      const condition: Condition = {
        ...(label && { label: tf.tensor1d(label.slice(first, first + n), 'int32') }),
        ...(own && { context: own[0]! }),
      };
      const guide = own?.[1] && guided(network, own[1], options.guidanceScale ?? GUIDANCE);
      let [x0, images]: (tf.Tensor4D | undefined)[] = [];
      try {
        x0 = await sample(denoise(guide ?? network, Object.keys(condition).length > 0 ? { condition } : {}), xT, {
          ...{ sampler, rng },
          onStep: (step) => onStep?.({ ...step, first }),
        });
        images = latents && (await latents.decode(x0));
        parts.push(await (images ?? x0).data<'float32'>());
      } finally {
        tf.dispose([xT, x0, images, Object.values(condition), own?.[1]]);
      }
    }
  } finally {
    tf.dispose([...(words ?? [])]);
  }
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((offset, part) => (values.set(part, offset), offset + part.length), 0);
  return values;
}

/** The shape of what the U-Net works on. */
function shapeOf(
  { image, config, latents, text }: Drawing,
  { size: asked, latents: given }: PipelineSampleOptions,
): [h: number, w: number, c: number] {
  const factor = latents?.autoencoder.factor ?? 1;
  const channels = Number(config.in_channels ?? (text ? 4 : 3));
  if (given instanceof tf.Tensor) {
    const [, h, w, c] = given.shape;
    if (given.rank !== 4 || c !== channels)
      throw new RangeError(`Pipeline: latents should be [n, h, w, ${channels}], not [${given.shape.join(', ')}]`);
    if (asked && (asked[0] !== h * factor || asked[1] !== w * factor))
      throw new RangeError(
        `Pipeline: latents of ${h}×${w} are images of ${h * factor}×${w * factor}, not ${asked.join('×')}`,
      );
    return [h, w, channels];
  }
  const size = asked ?? image?.slice(0, 2);
  if (!size) throw new RangeError('Pipeline: the U-Net says no sample_size; give the size');
  if (size.some((side) => !Number.isInteger(side) || side < 1 || side % factor !== 0))
    throw new RangeError(
      `Pipeline: height and width must be whole numbers${factor > 1 ? ` and multiples of ${factor}` : ''}, got ${size.join('×')}`,
    );
  return [size[0] / factor, size[1] / factor, channels];
}

/** How many images there are to be, where everything that says so agrees. */
function countOf(
  { text, unet }: Drawing,
  { prompt, negativePrompt, guidanceScale, latents, count, label }: PipelineSampleOptions,
  item: readonly number[],
): number {
  if (text && prompt === undefined) throw new RangeError('Pipeline: this one draws from words; give a prompt');
  const words = Object.entries({ prompt, negativePrompt, guidanceScale }).find(([, value]) => value !== undefined);
  if (!text && words) throw new RangeError(`Pipeline: this one draws from no words, so it takes no ${words[0]}`);
  if (label && !unet.conditions.includes('label'))
    throw new RangeError('Pipeline: the U-Net takes no classes, so it takes no label');
  const many = (words?: string | readonly string[]) => (typeof words === 'string' ? undefined : words?.length);
  const size = tf.util.sizeFromShape([...item]);
  const said = {
    ...{ count, prompt: many(prompt), negativePrompt: many(negativePrompt), label: label?.length },
    latents: latents && (latents instanceof tf.Tensor ? latents.shape[0] : latents.length / size),
  };
  const known = Object.entries(said).flatMap(([name, number]) => (number === undefined ? [] : [{ name, number }]));
  const [{ name, number } = { name: 'count', number: 1 }] = known;
  const other = known.find((one) => one.number !== number);
  if (other)
    throw new RangeError(
      `Pipeline: ${other.name} is for ${other.number} images, and ${name} for ${number}; they must be as many`,
    );
  if (!Number.isInteger(number) || number < 1)
    throw new RangeError(`Pipeline: ${name} should be for a whole number of images, at least 1, and is for ${number}`);
  return number;
}

const valuesOf = (latents: tf.Tensor4D | Float32Array): Float32Array | Promise<Float32Array> =>
  latents instanceof tf.Tensor ? latents.data<'float32'>() : latents;

/**
 * A scheduler's config as diffusers' StableDiffusionPipeline takes it: old ones lack these options, whose defaults
 * are those of other pipelines.
 */
export function ofStableDiffusion(config: JsonObject): JsonObject {
  const read = readSchedulerConfig(config) as Partial<ReturnType<typeof readSchedulerConfig>>;
  return {
    ...config,
    ...(read.steps_offset !== undefined && { steps_offset: 1 }),
    ...(read.clip_sample !== undefined && { clip_sample: false }),
  };
}

function chosenScheduler({ scheduler, text }: Drawing, { scheduler: asked, steps, eta }: PipelineSampleOptions) {
  const given = (typeof asked === 'string' ? { _class_name: asked } : (asked ?? {})) as JsonObject;
  const named = { ...scheduler, ...(given._class_name !== undefined && { _class_name: given._class_name }) };
  const chosen: JsonObject = { ...(text ? ofStableDiffusion(named) : named), ...given };
  const all = chosen._class_name === 'DDPMScheduler' ? Number(chosen.num_train_timesteps ?? 1000) : 50;
  return schedulerFromConfig(chosen, { steps: steps ?? all, eta });
}

/** The U-Net's context for each image's words, and for those that guidance leads away from, where it does. */
async function contexts(
  text: NonNullable<PipelineParts['text']>,
  { prompt = '', negativePrompt = '', guidanceScale = GUIDANCE }: PipelineSampleOptions,
  count: number,
): Promise<readonly [tf.Tensor3D, tf.Tensor3D?]> {
  const all = (words: string | readonly string[]) =>
    typeof words === 'string' ? Array<string>(count).fill(words) : [...words];
  const [wanted, unwanted] = [all(prompt), guidanceScale > 1 ? all(negativePrompt) : []];
  const distinct = [...new Set([...wanted, ...unwanted])];
  const embedded = await text.embed(distinct);
  const of = (words: readonly string[]) =>
    tf.tidy(() =>
      tf.gather(
        embedded,
        tf.tensor1d(
          words.map((word) => distinct.indexOf(word)),
          'int32',
        ),
      ),
    );
  try {
    return unwanted.length > 0 ? [of(wanted), of(unwanted)] : [of(wanted)];
  } finally {
    embedded.dispose();
  }
}

/** out = none + s (wanted − none), both in one batch (Ho & Salimans 2022, eq. 6). */
const guided =
  (network: Network | AsyncNetworkFunction, none: tf.Tensor3D, scale: number): AsyncNetworkFunction =>
  async (x, t, { context, ...others } = {}) => {
    const [twice, told, both] = tf.tidy(
      () =>
        [
          tf.concat([x, x]),
          tf.concat([t, t]),
          {
            context: tf.concat([none, context as tf.Tensor3D]),
            ...Object.fromEntries(Object.entries(others).map(([name, value]) => [name, tf.concat([value, value])])),
          },
        ] as const,
    );
    let output: tf.Tensor4D | undefined;
    try {
      output = typeof network === 'function' ? await network(twice, told, both) : network.apply(twice, told, both);
      const all = output;
      return tf.tidy(() => {
        const [without, wanted] = tf.split(all, 2, 0);
        return tf.add<tf.Tensor4D>(without, tf.mul(tf.sub(wanted, without), scale));
      });
    } finally {
      tf.dispose([twice, told, Object.values(both), output]);
    }
  };
