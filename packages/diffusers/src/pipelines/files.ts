import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '@ddpm/checkpoint';
import type { TensorValues } from '@ddpm/layers';
import { readJson } from './json';
import { readWeights } from './weights';

/** The contents of a folder of diffusers, read and not yet made into anything. */
export interface PipelineFiles {
  /** The U-Net's `config.json`, and its weights by PyTorch's names, in PyTorch's layout. */
  readonly unet: { readonly config: JsonObject; readonly tensors: ReadonlyMap<string, TensorValues> };
  /** `scheduler_config.json`, where there is one. */
  readonly scheduler?: JsonObject;
}

/** Pipelines that are a U-Net and a scheduler. */
const pipelines = ['DDPMPipeline', 'DDIMPipeline', 'PNDMPipeline'];

/** Whether a path is a folder that diffusers saved. A `config.json` alone is no sign: runs have one too. */
export const isPipelineFolder = (path: string): boolean =>
  ['model_index.json', join('unet', 'config.json')].some((file) => existsSync(join(path, file))) ||
  (existsSync(join(path, 'config.json')) &&
    readdirSync(path).some((name) => name.startsWith('diffusion_pytorch_model.')));

/**
 * Reads what diffusers' `save_pretrained` writes: a pipeline's folder with its `model_index.json`, one with `unet/` alone,
 * or that of a model, a `config.json` and weights.
 * @throws Error in one line that names the file and what is wrong with it, or the pipeline that is not carried
 */
export async function readPipelineFolder(folder: string): Promise<PipelineFiles> {
  const index = join(folder, 'model_index.json');
  if (existsSync(index)) checkIndex(index, await readJson(index));
  // As diffusers does, for the first pipelines have all of their files in one folder.
  const placeOf = (part: string) => (existsSync(join(folder, part)) ? join(folder, part) : folder);
  const place = placeOf('unet');
  const config = join(place, 'config.json');
  if (!existsSync(config))
    throw new Error(
      `${folder} holds nothing of diffusers: there is no model_index.json, unet/config.json or config.json`,
    );
  const scheduler = join(placeOf('scheduler'), 'scheduler_config.json');
  return {
    unet: { config: await readJson(config), tensors: await readWeights(place) },
    ...(existsSync(scheduler) && { scheduler: await readJson(scheduler) }),
  };
}

/** @throws Error unless the pipeline is a `UNet2DModel` and a scheduler */
function checkIndex(path: string, { _class_name: name, ...parts }: JsonObject): void {
  if (!pipelines.includes(name as string))
    throw new Error(`${path} is of a ${JSON.stringify(name)}, which is not carried, but ${pipelines.join(', ')}`);
  const [, model] = Array.isArray(parts.unet) ? parts.unet : [];
  if (model !== 'UNet2DModel')
    throw new Error(`${path} has for its unet ${JSON.stringify(parts.unet)}, not diffusers' UNet2DModel`);
}
