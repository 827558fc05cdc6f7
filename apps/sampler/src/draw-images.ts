import { freemem } from 'node:os';
import { createProgress, firstOf } from '@ddpm/app-common';
import type { Execution } from '@ddpm/execution';
import type { ByteImage } from '@ddpm/images';
import { toImages } from '@ddpm/images';
import type { CompiledNetwork, Model } from '@ddpm/models';
import { compileNetwork, draw } from '@ddpm/models';
import * as tf from '@tensorflow/tfjs';
import type { Way } from './edit';
import type { Latents } from './latents';
import { isLatent } from './latents';
import type { Lead } from './lead';
import type { Settings } from './options';
import type { Plan } from './plan';
import type { Drawn } from './write';

/** Does what needs the model's network compiled, with as many images at a time as there is room for. */
export async function withNetwork<T>(
  model: Model,
  { count, options: { condition, guidance } }: Plan,
  execution: Execution,
  { batchSize }: Settings,
  work: (network: CompiledNetwork, batch: number) => Promise<T>,
): Promise<T> {
  const { network, parameters, image } = model.denoiser;
  // A large network's weights are there once, in one graph.
  const weights = isLatent(model) ? { coupled: true } : { fixed: true };
  const compiled = await compileNetwork(execution, network, { parameters, image, condition, ...weights });
  try {
    // Guidance asks for each image twice.
    const bytes = (await compiled.cost()).bytes * (guidance ? 2 : 1);
    const most = batchSize ?? (await firstOf(fittingBatch(bytes)));
    return await work(compiled, Math.min(count, most));
  } finally {
    await compiled.dispose();
  }
}

/** The first image of a batch, decoded. */
async function decodedFirst(x: tf.Tensor4D, { decode }: Latents): Promise<Float32Array> {
  const one = tf.slice(x, [0, 0, 0, 0], [1, -1, -1, -1]);
  const made = await decode(one);
  const data = await made.data<'float32'>();
  tf.dispose([one, made]);
  return data;
}

/** Draws the images of a plan. */
export async function drawImages(
  network: CompiledNetwork,
  { count, options }: Plan,
  { sampler, stream, begin, lead: own }: Way,
  {
    batch,
    trajectory: wantsTrajectory,
    label = 'Sampling',
    lead,
    latents,
    animated = true,
  }: {
    batch: number;
    trajectory: boolean;
    label?: string;
    lead?: Lead['lead'];
    latents?: Latents;
    /** Whether the first image's way is kept. */
    animated?: boolean;
  },
): Promise<Drawn> {
  const { image } = options;
  const size = tf.util.sizeFromShape([...image]);
  const shape = latents?.picture ?? image;
  const each = tf.util.sizeFromShape([...shape]);
  const toByteImages = (data: Float32Array) => toImages(data, [data.length / each, ...shape]);
  const length = sampler.levels.length - 1;
  const trajectory = wantsTrajectory ? new Float32Array(length * count * size) : undefined;
  const chain: ByteImage[] = [];
  const progress = createProgress({ label, total: Math.ceil(count / batch) * length });
  let done = 0;
  try {
    const values = await draw({
      ...{ ...options, network, sampler, batch },
      ...(stream && { stream }),
      ...(begin && { begin }),
      lead: (denoise, of) => {
        // What is known of a picture stays, wherever the rest is led.
        const led = lead?.(denoise, of) ?? denoise;
        return own?.(led, of) ?? led;
      },
      ...(latents && { decode: (drawn: tf.Tensor4D) => latents.decode(drawn) }),
      onStep: async ({ first, index, x }) => {
        const data = await x.data<'float32'>();
        if (first === 0 && animated)
          chain.push(...toByteImages(latents ? await decodedFirst(x, latents) : data.subarray(0, size)));
        trajectory?.set(data, (index * count + first) * size);
        progress.update(++done);
      },
    });
    return {
      ...{ values, shape: [count, ...shape], images: toByteImages(values), chain },
      ...(trajectory && { trajectory: { data: trajectory, shape: [length, count, ...image] } }),
    };
  } finally {
    progress.stop();
  }
}

/**
 * How many images at a time there is room for in a quarter of the free memory, by what the network needs for one; at
 * most 64.
 */
const fittingBatch = (bytesEach: number) => Math.max(1, Math.min(64, Math.floor(freemem() / 4 / bytesEach)));
