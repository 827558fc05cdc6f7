import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Unet2dCondition } from '@ddpm/adm';
import { toUnet2d, Unet2d } from '@ddpm/adm';
import { createFolder, writeFileAtomic } from '@ddpm/checkpoint';
import { writeSafetensors } from '@ddpm/safetensors';
import { readSchedulerConfig } from '../schedulers/config';
import { pythonJson } from './json';

/** The version of Python's diffusers that the files are written for, and its pipelines by their schedulers. */
const VERSION = '0.42.1';
const pipelines: Readonly<Record<string, string>> = { DDPMScheduler: 'DDPMPipeline', DDIMScheduler: 'DDIMPipeline' };

/**
 * Writes a pipeline as diffusers' `save_pretrained` does, so that `DDPMPipeline.from_pretrained(folder)` opens it. A
 * `Pipeline` is what it takes.
 * @param folder a new one, or empty
 * @param pipeline the U-Net, the `config.json` that it was made from, and a `scheduler_config.json` of a `DDPMScheduler`
 * or `DDIMScheduler`
 * @throws Error in one line if the folder holds files already or cannot be written; RangeError if the scheduler is
 * another
 */
export async function savePipeline(
  folder: string,
  {
    unet,
    config,
    scheduler,
  }: {
    readonly unet: Unet2d | Unet2dCondition;
    readonly config: Readonly<Record<string, unknown>>;
    readonly scheduler: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  const { className, ...options } = readSchedulerConfig(scheduler);
  const name = pipelines[className];
  if (name === undefined)
    throw new RangeError(
      `savePipeline: pipelines are written with ${Object.keys(pipelines).join(' or ')}, not ${className}`,
    );
  if (!(unet instanceof Unet2d)) throw new RangeError('savePipeline: pipelines are written with a UNet2DModel alone');
  const weights = writeSafetensors(await toUnet2d(unet), { format: 'pt' });
  await createFolder({ path: folder });
  const write = async (path: readonly string[], data: Uint8Array | Record<string, unknown>) => {
    if (path.length > 1) await mkdir(join(folder, path[0]), { recursive: true });
    await writeFileAtomic(join(folder, ...path), data instanceof Uint8Array ? data : pythonJson(data));
  };
  await write(['unet', 'diffusion_pytorch_model.safetensors'], weights);
  await write(['unet', 'config.json'], { ...config, _class_name: 'UNet2DModel', _diffusers_version: VERSION });
  await write(['scheduler', 'scheduler_config.json'], {
    ...{ _class_name: className, _diffusers_version: VERSION },
    ...options,
  });
  // Last, for with it the folder is a pipeline.
  await write(['model_index.json'], {
    ...{ _class_name: name, _diffusers_version: VERSION },
    ...{ scheduler: ['diffusers', className], unet: ['diffusers', 'UNet2DModel'] },
  });
}
