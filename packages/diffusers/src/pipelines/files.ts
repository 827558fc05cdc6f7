import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '@ddpm/checkpoint';
import { reason } from '@ddpm/checkpoint';
import type { ClipTokenizerFiles } from '@ddpm/text';
import { readJson } from './json';
import type { Weights } from './weights';
import { readWeights, weightNames } from './weights';

/** One of a pipeline's networks, not yet made. */
export interface ModelFiles {
  /** Its `config.json`. */
  readonly config: JsonObject;
  /** Its weights by PyTorch's names, in PyTorch's layout; those of safetensors are read when they are asked for. */
  readonly tensors: Weights;
}

/** The contents of a folder of diffusers, read and not yet made into anything. */
export interface PipelineFiles {
  readonly unet: ModelFiles;
  /** `scheduler_config.json`, where there is one. */
  readonly scheduler?: JsonObject;
  /** Of a pipeline that works on latents. */
  readonly autoencoder?: ModelFiles;
  /** Of a pipeline that draws from words. */
  readonly text?: ModelFiles & { readonly tokenizer: ClipTokenizerFiles };
  /** One line for each part of it that is not used. */
  readonly notes: readonly string[];
}

/** The parts of a pipeline beside its scheduler, and the classes that each may be of. */
interface Parts {
  readonly unet: readonly string[];
  readonly text_encoder?: readonly string[];
  readonly tokenizer?: readonly string[];
  /** The autoencoder, by one of its names. */
  readonly vae?: readonly string[];
  readonly vqvae?: readonly string[];
}

const pixels: Parts = { unet: ['UNet2DModel'] };
/** By the names of their classes. */
const pipelines: Readonly<Record<string, Parts>> = {
  DDPMPipeline: pixels,
  DDIMPipeline: pixels,
  PNDMPipeline: pixels,
  LDMPipeline: { unet: ['UNet2DModel'], vqvae: ['VQModel', 'AutoencoderKL'] },
  StableDiffusionPipeline: {
    unet: ['UNet2DConditionModel'],
    vae: ['AutoencoderKL', 'AutoencoderTiny'],
    text_encoder: ['CLIPTextModel', 'CLIPTextModelWithProjection'],
    tokenizer: ['CLIPTokenizer', 'CLIPTokenizerFast'],
  },
};
/** Parts that draw nothing, with what is said of them. */
const unused: Readonly<Record<string, string>> = {
  safety_checker: 'safety_checker is not used: nothing looks at the images before you do',
  feature_extractor: 'feature_extractor is not used: it is for the safety checker',
  image_encoder: 'image_encoder is not used: it is for pictures as prompts',
};

/** The folder beside `unet` that training with a moving average saves it in. */
const AVERAGE = 'unet_ema';
/** Options of the average (`EMAModel`), which stand among those of the network there. */
const ofAverage = [
  ...['decay', 'min_decay', 'inv_gamma', 'power', 'use_ema_warmup', 'update_after_step', 'optimization_step'],
];

/** Whether a path is a folder that diffusers saved. A `config.json` alone is no sign: runs have one too. */
export const isPipelineFolder = (path: string): boolean =>
  ['model_index.json', join('unet', 'config.json'), join(AVERAGE, 'config.json')].some((file) =>
    existsSync(join(path, file)),
  ) ||
  (existsSync(join(path, 'config.json')) &&
    readdirSync(path).some((name) => name.startsWith('diffusion_pytorch_model.')));

/**
 * Reads what diffusers' `save_pretrained` writes: a pipeline's folder with its `model_index.json`, one with `unet/` alone,
 * or that of a model, a `config.json` and weights. Of a checkpoint of diffusers' training scripts, which has `unet_ema/`
 * too, that is taken.
 * @throws Error in one line that names the file and what is wrong with it, or the pipeline that is not carried
 */
export async function readPipelineFolder(folder: string): Promise<PipelineFiles> {
  const index = join(folder, 'model_index.json');
  const { parts, notes } = existsSync(index) ? partsOf(index, await readJson(index)) : { parts: pixels, notes: [] };
  const averaged = !existsSync(index) && existsSync(join(folder, AVERAGE));
  // As diffusers does, for the first pipelines have all of their files in one folder.
  const placeOf = (part: string) => (existsSync(join(folder, part)) ? join(folder, part) : folder);
  const model = async (place: string, names?: (typeof weightNames)[keyof typeof weightNames]): Promise<ModelFiles> => {
    const own = Object.entries(await readJson(join(place, 'config.json'))).filter(([key]) => !ofAverage.includes(key));
    return { config: Object.fromEntries(own), tensors: await readWeights(place, names) };
  };
  const unet = placeOf(averaged ? AVERAGE : 'unet');
  if (!existsSync(join(unet, 'config.json')))
    throw new Error(
      `${folder} holds nothing of diffusers: there is no model_index.json, unet/config.json or config.json`,
    );
  const scheduler = join(placeOf('scheduler'), 'scheduler_config.json');
  const autoencoder = parts.vae ? 'vae' : parts.vqvae ? 'vqvae' : undefined;
  return {
    unet: await model(unet),
    ...(existsSync(scheduler) && { scheduler: await readJson(scheduler) }),
    ...(autoencoder && { autoencoder: await model(join(folder, autoencoder)) }),
    ...(parts.text_encoder && {
      text: {
        ...(await model(join(folder, 'text_encoder'), weightNames.transformers)),
        tokenizer: await tokenizerFiles(join(folder, 'tokenizer')),
      },
    }),
    notes: averaged ? [...notes, `unet is not used, but ${AVERAGE}, the average of its weights`] : notes,
  };
}

/**
 * The parts that an index names.
 * @throws Error unless the pipeline is one that is carried, and each of its parts is
 */
function partsOf(path: string, { _class_name: name, ...parts }: JsonObject) {
  if (typeof name !== 'string' || !Object.hasOwn(pipelines, name))
    throw new Error(
      `${path} is of a ${JSON.stringify(name)}, which is not carried, but ${Object.keys(pipelines).join(', ')}`,
    );
  const carried = pipelines[name];
  for (const [part, classes] of Object.entries(carried) as [string, readonly string[]][]) {
    const [, model] = Array.isArray(parts[part]) ? parts[part] : [];
    if (typeof model !== 'string' || !classes.includes(model))
      throw new Error(
        `${path} has for its ${part} ${JSON.stringify(parts[part])}, not ${part.startsWith('t') ? "transformers'" : "diffusers'"} ${classes.join(' or ')}`,
      );
  }
  const notes: string[] = [];
  for (const [part, value] of Object.entries(parts)) {
    if (part.startsWith('_') || part === 'scheduler' || part in carried) continue;
    if (!Array.isArray(value) || value.every((one) => one === null)) continue;
    if (!Object.hasOwn(unused, part))
      throw new Error(`${path} has a part that is not carried: ${part}, ${JSON.stringify(value)}`);
    notes.push(unused[part]);
  }
  return { parts: carried, notes };
}

/** @throws Error in one line that names the file that is wrong, or the folder if it has none. */
async function tokenizerFiles(folder: string): Promise<ClipTokenizerFiles> {
  const json = async (name: string) => {
    const path = join(folder, name);
    return existsSync(path) ? await readJson(path) : undefined;
  };
  const [tokenizer, vocab] = [await json('tokenizer.json'), await json('vocab.json')];
  const merges = join(folder, 'merges.txt');
  const hasBoth = vocab !== undefined && existsSync(merges);
  if (!tokenizer && !hasBoth)
    throw new Error(`${folder} has no tokenizer: there is no tokenizer.json, nor vocab.json and merges.txt`);
  const [config, specialTokens] = [await json('tokenizer_config.json'), await json('special_tokens_map.json')];
  return {
    ...(tokenizer && { tokenizer }),
    ...(hasBoth && {
      vocab,
      merges: await readFile(merges, 'utf8').catch((error: unknown) => {
        throw new Error(`${merges} cannot be read: ${reason(error)}`, { cause: error });
      }),
    }),
    ...(config && { config }),
    ...(specialTokens && { specialTokens }),
  };
}
