import type { Unet2d } from '@ddpm/adm';
import { unet2dFromConfig } from '@ddpm/adm';
import type { JsonObject } from '@ddpm/checkpoint';
import type { AsyncNetworkFunction, Condition, Network, SampleStep } from '@ddpm/diffusion';
import { sample } from '@ddpm/diffusion';
import { disposeParameters } from '@ddpm/layers';
import { Random, sideBySide } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { schedulerFromConfig } from '../schedulers/scheduler-from-config';
import { readPipelineFolder } from './files';

/** A pipeline of diffusers, ready to draw with. */
export interface Pipeline {
  /** A network, with `apply(x, t, { label })`: x [n, h, w, c], diffusers' timestep [n] float32, classes [n] int32. */
  readonly unet: Unet2d;
  /** Its `config.json`. */
  readonly config: JsonObject;
  /** The `scheduler_config.json`; where the folder has none, that of Ho et al. 2020, `DDPMScheduler` with its defaults. */
  readonly scheduler: JsonObject;
  /** The shape of its images, where the config says their size. */
  readonly image?: readonly [h: number, w: number, c: number];
  /** Draws images, [count, h, w, c] in about [−1, 1]; one depends on the seed and its number alone. */
  readonly sample: (options?: PipelineSampleOptions) => Promise<Float32Array>;
  /** Frees the weights. */
  readonly dispose: () => void;
}

/** How to draw; each has its default. */
export interface PipelineSampleOptions {
  /** How many images; 1 by default. */
  count?: number;
  /** Which; 0 by default. */
  seed?: number;
  /** diffusers' `num_inference_steps`; by default all timesteps of a `DDPMScheduler`, and 50 of another, as there. */
  steps?: number;
  /** `DDIMScheduler`'s η; 0 by default. */
  eta?: number;
  /** Options in place of the scheduler's own, or with `_class_name` another one with its noise. */
  scheduler?: Readonly<Record<string, unknown>>;
  /** Height and width, where they are not to be the config's. */
  size?: readonly [h: number, w: number];
  /** The class of each image, where the U-Net takes classes. */
  label?: readonly number[];
  /** A network to run instead of the U-Net, such as itself compiled. */
  network?: Network | AsyncNetworkFunction;
  /** How many at a time; it does not change them. All by default. */
  batch?: number;
  /** Called after every step of every batch, whose first image has the number `first`, and awaited. */
  onStep?: (step: SampleStep & { readonly first: number }) => void | Promise<void>;
}

/**
 * Opens what Python's diffusers saved: the folder of a DDPM or DDIM pipeline, or of its U-Net alone.
 * @throws Error in one line that names the file, option or value that is wrong or not carried
 */
export async function loadPipeline(folder: string): Promise<Pipeline> {
  const { unet, scheduler = { _class_name: 'DDPMScheduler' } } = await readPipelineFolder(folder);
  const { config, tensors } = unet;
  try {
    // What cannot be sampled is not opened either.
    schedulerFromConfig(scheduler, { steps: 1 + Number(scheduler.skip_prk_steps === false) * 3 });
    return pipelineOf({ unet: unet2dFromConfig(config, tensors), config, scheduler });
  } catch (error) {
    throw new Error(`${folder} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

/** A pipeline of a U-Net with its config, and a scheduler's. */
export function pipelineOf({ unet, config, scheduler }: Pick<Pipeline, 'unet' | 'config' | 'scheduler'>): Pipeline {
  const image = imageOf(config);
  return {
    ...{ unet, config, scheduler },
    ...(image && { image }),
    sample: (options = {}) => draw({ unet, config, scheduler, ...(image && { image }) }, options),
    dispose: () => disposeParameters(unet),
  };
}

/** The shape of a U-Net's images, where its config says their size. */
export function imageOf({ sample_size: size, in_channels: channels = 3 }: JsonObject) {
  const [height, width] = Array.isArray(size) ? size : [size, size];
  return typeof height === 'number' && typeof width === 'number'
    ? ([height, width, channels as number] as const)
    : undefined;
}

async function draw(
  { unet, config, scheduler, image }: Pick<Pipeline, 'unet' | 'config' | 'scheduler' | 'image'>,
  options: PipelineSampleOptions,
): Promise<Float32Array> {
  const { count = 1, seed = 0, eta, label, network = unet, batch = count, onStep } = options;
  const { in_channels: channels = 3 } = config;
  const size = options.size ?? image?.slice(0, 2);
  if (!size) throw new RangeError('Pipeline: the U-Net says no sample_size; give the size');
  if (label && label.length !== count)
    throw new RangeError(`Pipeline: label should be ${count} classes, as many as images, got ${label.length}`);
  const chosen = { ...scheduler, ...options.scheduler };
  const all = chosen._class_name === 'DDPMScheduler' ? Number(chosen.num_train_timesteps ?? 1000) : 50;
  const { sampler, initialScale, denoise } = schedulerFromConfig(chosen, { steps: options.steps ?? all, eta });

  const shape = [...size, channels as number] as [number, number, number];
  const each = tf.util.sizeFromShape(shape);
  const values = new Float32Array(count * each);
  for (let first = 0; first < count; first += batch) {
    const n = Math.min(batch, count - first);
    const rng = sideBySide(Array.from({ length: n }, (_, i) => new Random([seed, 'sample', first + i])));
    const noise = rng.normals(n * each).map((z) => initialScale * z);
    const xT = tf.tensor4d(noise, [n, ...shape]);
    const condition: Condition | undefined = label && {
      label: tf.tensor1d(label.slice(first, first + n), 'int32'),
    };
    let x0: tf.Tensor4D | undefined;
    try {
      x0 = await sample(denoise(network, { condition }), xT, {
        sampler,
        rng,
        onStep: (step) => onStep?.({ ...step, first }),
      });
      values.set(await x0.data<'float32'>(), first * each);
    } finally {
      tf.dispose([xT, x0, Object.values(condition ?? {})]);
    }
  }
  return values;
}
