import { fileURLToPath } from 'node:url';
import { schedules, UsageError } from '@ddpm/app-common';
import type { LoadPipelineOptions } from '@ddpm/diffusers';
import type { Model } from '@ddpm/models';
import { openModel } from '@ddpm/models';
import { openLatentModel } from './latents';
import type { Settings } from './options';

/**
 * Opens a model, with what the settings say of a PyTorch state_dict.
 * @throws UsageError if they say it of another kind of model
 */
export async function loadModel(
  path: string,
  { schedule, timesteps, imageSize }: Pick<Settings, 'schedule' | 'timesteps' | 'imageSize'>,
  { execution }: LoadPipelineOptions = {},
): Promise<Model> {
  const latent = await openLatentModel(path, { imageSize, execution });
  if (latent) {
    if (schedule !== undefined || timesteps !== undefined)
      throw new UsageError(`--schedule and --timesteps are for a PyTorch state_dict; ${path} tells its own`);
    return latent;
  }
  const [name, length] = [schedule ?? 'linear', timesteps ?? 200];
  const bases = [fileURLToPath(import.meta.url)];
  const model = await openModel(path, { schedule: schedules[name]({ timesteps: length }), imageSize, bases });
  if (model.kind === 'state_dict')
    return { ...model, description: `${model.description}, ${name} schedule of ${length} timesteps` };
  if (schedule !== undefined || timesteps !== undefined || imageSize !== undefined)
    throw new UsageError(
      `--schedule, --timesteps and --image-size are for a PyTorch state_dict; ${path} tells its own`,
    );
  return model;
}
