import { fileURLToPath } from 'node:url';
import { schedules, UsageError } from '@ddpm/app-common';
import type { Execution } from '@ddpm/execution';
import type { Model } from '@ddpm/models';
import { openModel, withTextEncoder } from '@ddpm/models';
import { openLatentModel } from './latents';
import type { Settings } from './options';

/**
 * Opens a model, with what the settings say of a PyTorch state_dict.
 * @throws UsageError if they say it of another kind of model
 */
export async function loadModel(
  path: string,
  {
    schedule,
    timesteps,
    imageSize,
    textEncoder,
  }: Pick<Settings, 'schedule' | 'timesteps' | 'imageSize' | 'textEncoder'>,
  { execution }: { readonly execution?: Execution } = {},
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
  // A whole diffusion process does not tell the size of its images.
  const told = ['--schedule', '--timesteps', ...(model.kind === 'process' ? [] : ['--image-size'])];
  if (schedule !== undefined || timesteps !== undefined || (imageSize !== undefined && told.length > 2))
    throw new UsageError(
      `${told.slice(0, -1).join(', ')} and ${told.at(-1)} are for a PyTorch state_dict; ${path} tells its own`,
    );
  const { text, lowRes } = model.denoiser;
  if (textEncoder !== undefined && !text && !lowRes)
    throw new UsageError(`--text-encoder is of a model that was trained with one, and ${path} was not`);
  return execution
    ? { ...model, denoiser: await withTextEncoder(model.denoiser, { execution, folder: textEncoder }) }
    : model;
}
