import type { Unet2d, Unet2dCondition } from '@ddpm/adm';
import { unet2dConditionFromConfig, unet2dFromConfig } from '@ddpm/adm';
import type { JsonObject } from '@ddpm/checkpoint';
import * as tf from '@tensorflow/tfjs-core';
import { schedulerFromConfig } from '../schedulers/scheduler-from-config';
import type { PipelineSampleOptions } from './draw';
import { draw, ofStableDiffusion } from './draw';
import { readPipelineFolder } from './files';
import type { PipelineLatents } from './latents';
import { latentsOf } from './latents';
import type { PipelineParts } from './parts';
import type { Compiler } from './runner';
import { disposeAll, runner } from './runner';
import type { PipelineText } from './text';
import { textOf } from './text';

/** A pipeline of diffusers, ready to draw with. */
export interface Pipeline extends PipelineParts {
  /** One line for each part of the folder that is not used. */
  readonly notes: readonly string[];
  /** Draws images, [count, h, w, c] in about [−1, 1]; one depends on the seed and its number alone. */
  readonly sample: (options?: PipelineSampleOptions) => Promise<Float32Array>;
  /** Frees the weights, and what runs the networks. */
  readonly dispose: () => Promise<void>;
}

/** How a pipeline is opened. */
export interface LoadPipelineOptions {
  /** Compiles and runs its networks: an `Execution` of @ddpm/execution. By default the active backend of tfjs does. */
  readonly execution?: Compiler;
}

/**
 * Opens what Python's diffusers saved: the folder of a DDPM, DDIM, latent or Stable Diffusion pipeline, or of a U-Net
 * alone. Weights stay in their files until they are needed.
 * @throws Error in one line that names the file, option or value that is wrong or not carried
 */
export async function loadPipeline(folder: string, { execution }: LoadPipelineOptions = {}): Promise<Pipeline> {
  const files = await readPipelineFolder(folder);
  const { config, tensors } = files.unet;
  const made: (() => unknown)[] = [];
  const keep = <T>(part: T, dispose: (part: T) => unknown): T => {
    made.push(() => dispose(part));
    return part;
  };
  try {
    const saved = files.scheduler ?? { _class_name: 'DDPMScheduler' };
    const scheduler = files.text ? ofStableDiffusion(saved) : saved;
    // What cannot be sampled is not opened either.
    schedulerFromConfig(scheduler, { steps: 1 + Number(scheduler.skip_prk_steps === false) * 3 });
    const unet = keep<Unet2d | Unet2dCondition>(
      (files.text ? unet2dConditionFromConfig : unet2dFromConfig)(config, tensors),
      disposeAll,
    );
    const latents = files.autoencoder && keep(latentsOf(files.autoencoder, execution), (part) => part.dispose());
    const text = files.text && keep(textOf(files.text, execution), (part) => part.dispose());
    checkFit(unet, latents, text);
    return pipelineOf({ unet, config, scheduler, latents, text }, { notes: files.notes, execution });
  } catch (error) {
    for (const dispose of made) await dispose();
    throw new Error(`${folder} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws Error unless the parts have as many channels and features as each other */
function checkFit(unet: Unet2d | Unet2dCondition, latents?: PipelineLatents, text?: PipelineText): void {
  const [, , channels] = unet.encoder.inConv.weight.shape;
  const ofLatents = latents?.autoencoder.latentChannels;
  if (ofLatents !== undefined && ofLatents !== channels)
    throw new Error(`the U-Net takes ${channels} channels, and the autoencoder's latents have ${ofLatents}`);
  if (text && unet.context?.width !== text.encoder.width)
    throw new Error(
      `the U-Net reads ${unet.context?.width} features, and the text encoder gives ${text.encoder.width}`,
    );
}

/** A pipeline of networks, a U-Net's config, and a scheduler's. */
export function pipelineOf(
  { unet, config, scheduler, latents, text }: Omit<PipelineParts, 'image'>,
  { notes = [], execution }: { notes?: readonly string[] } & LoadPipelineOptions = {},
): Pipeline {
  const image = imageOf(config, latents);
  const { conditions } = unet;
  const { run, dispose } = runner(
    unet,
    (x: tf.Tensor4D, t: tf.Tensor1D, ...given: tf.Tensor[]) =>
      unet.apply(x, t, Object.fromEntries(conditions.map((name, i) => [name, given[i]]))),
    execution,
  );
  const parts = {
    unet,
    config,
    scheduler,
    ...(image && { image }),
    ...(latents && { latents }),
    ...(text && { text }),
  };
  return {
    ...parts,
    notes,
    sample: (options = {}) =>
      draw(
        // Without a compiler the U-Net itself checks what it is given.
        {
          ...parts,
          run: async (x, t, condition = {}) =>
            execution
              ? run(x, t, ...conditions.map((name) => condition[name]))
              : tf.tidy(() => unet.apply(x, t, condition)),
        },
        options,
      ),
    async dispose() {
      disposeAll(unet);
      await Promise.all([dispose(), latents?.dispose(), text?.dispose()]);
    },
  };
}

/** The shape of a U-Net's images, where its config says their size; of latents, where what makes images is given. */
export function imageOf({ sample_size: size, in_channels: channels = 3 }: JsonObject, latents?: PipelineLatents) {
  const [height, width] = Array.isArray(size) ? size : [size, size];
  if (typeof height !== 'number' || typeof width !== 'number') return undefined;
  if (!latents) return [height, width, channels as number] as const;
  const { factor, imageChannels } = latents.autoencoder;
  return [height * factor, width * factor, imageChannels] as const;
}
