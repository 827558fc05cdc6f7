import type { Checkpoint } from '@ddpm/checkpoint';
import { imageOf, loadPipeline, trainingFromConfig } from '@ddpm/diffusers';
import { parameterValues } from '@ddpm/layers';
import { scheduleLevels } from './levels';
import { meaningToJson } from './meaning';

/**
 * Reads the folder of a DDPM or DDIM pipeline that Python's diffusers saved, or of its U-Net alone, whose schedule is
 * then `DDPMScheduler`'s, as a checkpoint.
 * @throws Error in one line that names the file, option or value that is wrong or not carried, or says that it is of
 * latents
 */
export async function pipelineCheckpoint(folder: string): Promise<Omit<Checkpoint, 'state'>> {
  const { unet, config, scheduler, latents, dispose } = await loadPipeline(folder);
  try {
    if (latents)
      throw new Error('its U-Net works on the latents of an autoencoder, which a checkpoint of a denoiser has not');
    const image = imageOf(config);
    if (!image) throw new Error(`its config.json says no sample_size, the size of its images`);
    const { parameterisation, schedule } = trainingFromConfig(scheduler);
    const classes = unet.conditions.includes('label') ? Number(config.num_class_embeds ?? 0) : 0;
    const classNames = Array.from({ length: classes }, (_, i) => String(i));
    return {
      networks: { denoiser: { name: '@ddpm/diffusers', options: { config } } },
      meaning: meaningToJson({
        ...{ image, parameterisation, levels: scheduleLevels(schedule) },
        ...(classes > 0 && { classNames }),
      }),
      step: 0,
      // By the trainer's names, what a run that begins with it has for its own.
      settings: {
        ...{ task: 'denoise', parameterisation: parameterisation.name, levelSource: 'uniform', blind: false },
        ...{ schedule: 'model', timesteps: schedule.timesteps },
        ...{ network: '@ddpm/diffusers', networkOptions: { config } },
        ...(classes > 0 && { classes: true }),
      },
      weights: await parameterValues({ denoiser: unet }),
    };
  } catch (error) {
    throw new Error(`${folder} cannot be used: ${(error as Error).message}`, { cause: error });
  } finally {
    await dispose();
  }
}
