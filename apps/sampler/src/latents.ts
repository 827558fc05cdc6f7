import type { LoadPipelineOptions, Pipeline } from '@ddpm/diffusers';
import { isPipelineFolder, loadPipeline, readPipelineFolder, trainingFromConfig } from '@ddpm/diffusers';
import type { Execution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import type { CompiledLatents, Model } from '@ddpm/models';
import { compileLatents, scheduleLevels } from '@ddpm/models';
import * as tf from '@tensorflow/tfjs';
import { UsageError } from '@ddpm/app-common';
import type { Pictures } from './pictures';
import { readImage, readMasked } from './pictures';

type Shape = readonly [h: number, w: number, c: number];

/** A model that works on the latents of an autoencoder. Its denoiser's images are those. */
export interface LatentModel extends Model {
  readonly pipeline: Pipeline & Required<Pick<Pipeline, 'latents'>>;
  /** The shape of the images that are made of them. */
  readonly picture: Shape;
}

export const isLatent = (model: Pick<Model, 'denoiser'>): model is LatentModel => 'pipeline' in model;

/**
 * Opens a folder that diffusers saved, if its pipeline works on latents.
 * @throws Error in one line that names what of it is wrong or not carried; UsageError if images cannot be so large
 */
export async function openLatentModel(
  path: string,
  { imageSize, ...options }: { readonly imageSize?: number } & LoadPipelineOptions,
): Promise<LatentModel | undefined> {
  if (!isPipelineFolder(path) || !(await readPipelineFolder(path)).autoencoder) return undefined;
  const pipeline = (await loadPipeline(path, options)) as LatentModel['pipeline'];
  const { unet, latents, scheduler, notes } = pipeline;
  const { factor, imageChannels, latentChannels } = latents.autoencoder;
  const sides = imageSize === undefined ? pipeline.image?.slice(0, 2) : [imageSize, imageSize];
  if (!sides) throw new UsageError(`${path} does not say the size of its images; say it by --image-size`);
  if (sides.some((side) => side % factor !== 0))
    throw new UsageError(`--image-size must be a multiple of ${factor}, since latents are as much smaller`);
  const [h, w] = sides;
  const { schedule, parameterisation } = trainingFromConfig(scheduler);
  return {
    pipeline,
    denoiser: {
      ...{ network: unet, parameters: namedParameters({ denoiser: unet }) },
      image: [h / factor, w / factor, latentChannels],
      ...{ parameterisation, levels: scheduleLevels(schedule) },
    },
    picture: [h, w, imageChannels],
    kind: 'pipeline',
    folder: path,
    description: `diffusers' ${pipeline.text ? 'Stable Diffusion' : 'latent diffusion'}, images of ${h}×${w}×${imageChannels}`,
    unusable: notes,
    trained: {},
  };
}

/** The way between the latents that a model works on and images. */
export interface Latents extends Pick<CompiledLatents, 'encode' | 'decode' | 'dispose'> {
  /** The shape of the images. */
  readonly picture: Shape;
  /** How much smaller latents are, on a side. */
  readonly factor: number;
}

/** That of a model, if it works on latents. What a pipeline runs is freed with it. */
export function latentsOf(model: Pick<Model, 'denoiser'>, execution: Execution): Latents | undefined {
  if (isLatent(model)) return pipelineLatents(model);
  const { latents, autoencoder } = model.denoiser;
  if (!latents || !autoencoder) return undefined;
  const compiled = compileLatents(execution, latents, autoencoder);
  return { ...compiled, picture: latents.image, factor: autoencoder.network.factor };
}

/** That of a pipeline. */
export const pipelineLatents = ({ pipeline: { latents }, picture }: LatentModel): Latents => ({
  ...{ picture, factor: latents.autoencoder.factor },
  encode: (images) => latents.encode(images),
  decode: (drawn) => latents.decode(drawn),
  dispose: () => Promise.resolve(),
});

/** Pictures of somebody's as such latents; of a mask what is white in most of the square that a latent stands for. */
export function latentPictures({ encode, picture, factor }: Latents): Pictures {
  const encoded = async (pixels: Float32Array): Promise<Float32Array> => {
    const images = tf.tensor4d(pixels, [1, ...picture]);
    const z = await encode(images).finally(() => images.dispose());
    return z.data<'float32'>().finally(() => z.dispose());
  };
  return {
    readImage: async (path) => encoded(await readImage(path, picture)),
    async readMasked(path, maskPath) {
      const { image, mask } = await readMasked(path, maskPath, picture);
      const white = tf.tidy(() => {
        const pixels = tf.tensor4d(mask, [1, picture[0], picture[1], 1]);
        return tf
          .cast(tf.greaterEqual(tf.avgPool(pixels, factor, factor, 'valid'), 0.5), 'float32')
          .dataSync<'float32'>();
      });
      return { image: await encoded(image), mask: white };
    },
  };
}
