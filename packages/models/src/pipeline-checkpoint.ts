import type { Checkpoint, JsonObject } from '@ddpm/checkpoint';
import type { Pipeline } from '@ddpm/diffusers';
import { imageOf, loadPipeline, trainingFromConfig } from '@ddpm/diffusers';
import { parameterValues } from '@ddpm/layers';
import { scheduleLevels } from './levels';
import { meaningToJson } from './meaning';

/** How often Stable Diffusion was trained without its captions (Rombach et al. 2021), which no file says. */
const DROPOUT = 0.1;

/**
 * Reads what Python's diffusers saved as a checkpoint: the folder of a DDPM, DDIM, latent or Stable Diffusion pipeline, or
 * a U-Net alone, whose schedule is then `DDPMScheduler`'s.
 * @throws Error in one line that names the file, option or value that is wrong or not carried
 */
export async function pipelineCheckpoint(folder: string): Promise<Omit<Checkpoint, 'state'>> {
  const pipeline = await loadPipeline(folder);
  const { unet, config, scheduler, latents, text } = pipeline;
  try {
    const image = imageOf(config, latents);
    if (!image) throw new Error(`its config.json says no sample_size, the size of its images`);
    const { parameterisation, schedule } = trainingFromConfig(scheduler);
    const classes = unet.conditions.includes('label') ? Number(config.num_class_embeds ?? 0) : 0;
    const classNames = Array.from({ length: classes }, (_, i) => String(i));
    const networkOptions = { config, ...(text && { text: text.config }) };
    return {
      networks: {
        denoiser: { name: '@ddpm/diffusers', options: networkOptions },
        ...(latents && { autoencoder: { name: '@ddpm/autoencoder', options: { config: latents.config } } }),
      },
      meaning: meaningToJson({
        ...{ image: shapeOf(image, latents), parameterisation, levels: scheduleLevels(schedule) },
        ...(classes > 0 && { classNames }),
        ...(latents && { latents: { image, ...scaleOf(latents) } }),
        ...(text && { captions: captionsOf(text) }),
      }),
      step: 0,
      // By the trainer's names, what a run that begins with it has for its own.
      settings: {
        ...{ task: text ? 'text-to-image' : 'denoise', parameterisation: parameterisation.name },
        ...(!text && { levelSource: 'uniform', blind: false }),
        ...{ schedule: 'model', timesteps: schedule.timesteps },
        ...{ network: '@ddpm/diffusers', networkOptions },
        ...(classes > 0 && { classes: true }),
      },
      weights: await parameterValues({
        denoiser: text ? { unet, text: text.encoder } : unet,
        ...(latents && { autoencoder: latents.autoencoder }),
      }),
    };
  } catch (error) {
    throw new Error(`${folder} cannot be used: ${(error as Error).message}`, { cause: error });
  } finally {
    await pipeline.dispose();
  }
}

type Shape = readonly [h: number, w: number, c: number];
type Latents = NonNullable<Pipeline['latents']>;

/** The shape of what the U-Net makes. */
function shapeOf([h, w, c]: Shape, latents: Latents | undefined): Shape {
  if (!latents) return [h, w, c];
  const { factor, latentChannels } = latents.autoencoder;
  return [h / factor, w / factor, latentChannels];
}

const scaleOf = ({ autoencoder: { scalingFactor, shiftFactor } }: Latents) => ({ scalingFactor, shiftFactor });

const captionsOf = ({ tokenizer: { length, json } }: NonNullable<Pipeline['text']>) => ({
  ...{ length, tokenizer: json as JsonObject },
  dropout: DROPOUT,
});
