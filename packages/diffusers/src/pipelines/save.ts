import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toUnet2d, Unet2d, Unet2dCondition } from '@ddpm/adm';
import { AutoencoderKl, autoencoderStateDict, AutoencoderVq } from '@ddpm/autoencoder';
import { createFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { TensorValues } from '@ddpm/layers';
import { writeSafetensors } from '@ddpm/safetensors';
import { toClipText } from '@ddpm/text';
import { readSchedulerConfig } from '../schedulers/config';
import { pythonJson } from './json';
import type { PipelineLatents } from './latents';
import type { PipelineParts } from './parts';
import type { PipelineText } from './text';

/** The version of Python's diffusers that the files are written for, and its pipelines of pixels by their schedulers. */
const VERSION = '0.42.1';
const ofPixels: Readonly<Record<string, string>> = { DDPMScheduler: 'DDPMPipeline', DDIMScheduler: 'DDIMPipeline' };

type Config = Readonly<Record<string, unknown>>;
/** A file's content: bytes, text, or what becomes JSON. */
type Content = Uint8Array | string | Config;
/** A part of a pipeline: the class that the index names, and what makes its files, by their names. */
interface Part {
  readonly of: readonly [library: string, model: string];
  readonly files: Readonly<Record<string, () => Content | Promise<Content>>>;
}

/** The parts that `savePipeline` writes; a `Pipeline` has them. */
export interface SavedParts {
  readonly unet: PipelineParts['unet'];
  /** The U-Net's `config.json`. */
  readonly config: Config;
  /** The `scheduler_config.json`. */
  readonly scheduler: Config;
  /** Of a pipeline that works on latents: the autoencoder, and its `config.json`. */
  readonly latents?: Pick<PipelineLatents, 'autoencoder'> & { readonly config: Config };
  /** Of one that draws from words: what encodes them, and its `config.json`, and the files of the tokenizer. */
  readonly text?: Pick<PipelineText, 'encoder' | 'files'> & { readonly config: Config };
}

/**
 * Writes a pipeline as diffusers' `save_pretrained` does, so that `DiffusionPipeline.from_pretrained(folder)` opens it:
 * one of pixels (DDPM, DDIM), of latents, or a Stable Diffusion. Weights are float32.
 * @param folder a new one, or empty
 * @param pipeline its parts; of pixels, the scheduler is a `DDPMScheduler` or `DDIMScheduler`
 * @throws Error in one line if the folder holds files already or cannot be written; RangeError if the parts are none of
 * these pipelines
 */
export async function savePipeline(folder: string, pipeline: SavedParts): Promise<void> {
  const { className, ...options } = readSchedulerConfig(pipeline.scheduler);
  const { name, parts } = partsOf(pipeline, className);
  await createFolder({ path: folder });
  const write = async (path: readonly string[], content: Content) => {
    const file = join(folder, ...path);
    await mkdir(dirname(file), { recursive: true });
    const isJson = typeof content !== 'string' && !(content instanceof Uint8Array);
    await writeFileAtomic(file, isJson ? pythonJson(content) : content);
  };
  for (const [part, { files }] of Object.entries(parts))
    for (const [file, content] of Object.entries(files)) await write([part, file], await content());
  await write(['scheduler', 'scheduler_config.json'], {
    ...{ _class_name: className, _diffusers_version: VERSION },
    ...options,
  });
  // Last, for with it the folder is a pipeline.
  await write(['model_index.json'], {
    ...{ _class_name: name, _diffusers_version: VERSION },
    ...(name === STABLE && unsafe),
    scheduler: ['diffusers', className],
    ...Object.fromEntries(Object.entries(parts).map(([part, { of }]) => [part, of])),
  });
}

const STABLE = 'StableDiffusionPipeline';
/** The parts of a Stable Diffusion that there are none of here. */
const unsafe = {
  requires_safety_checker: false,
  ...Object.fromEntries(['safety_checker', 'feature_extractor', 'image_encoder'].map((part) => [part, [null, null]])),
};

/** The pipeline that parts make, and its networks. */
function partsOf(
  { unet, config, latents, text }: SavedParts,
  scheduler: string,
): { readonly name: string; readonly parts: Readonly<Record<string, Part>> } {
  const who = 'savePipeline';
  if (!latents) {
    if (!(unet instanceof Unet2d) || text)
      throw new RangeError(`${who}: a UNet2DConditionModel is written with an autoencoder and a text encoder alone`);
    const name = ofPixels[scheduler];
    if (name === undefined)
      throw new RangeError(
        `${who}: pipelines of pixels are written with ${Object.keys(ofPixels).join(' or ')}, not ${scheduler}`,
      );
    return { name, parts: { unet: unetPart(unet, config) } };
  }
  const vae = autoencoderPart(latents);
  if (unet instanceof Unet2d && !text)
    return { name: 'LDMPipeline', parts: { vqvae: vae, unet: unetPart(unet, config) } };
  if (!(unet instanceof Unet2dCondition) || !text || vae.of[1] === 'VQModel')
    throw new RangeError(
      `${who}: a Stable Diffusion is written of a UNet2DConditionModel, a text encoder, and an AutoencoderKL or AutoencoderTiny`,
    );
  return {
    name: STABLE,
    parts: { vae, text_encoder: textPart(text), tokenizer: tokenizerPart(text), unet: unetPart(unet, config) },
  };
}

const weights = async (tensors: Promise<ReadonlyMap<string, TensorValues>>) =>
  writeSafetensors(await tensors, { format: 'pt' });

const diffusersPart = (
  name: string,
  config: Config,
  tensors: () => Promise<ReadonlyMap<string, TensorValues>>,
): Part => ({
  of: ['diffusers', name],
  files: {
    'diffusion_pytorch_model.safetensors': () => weights(tensors()),
    'config.json': () => ({ ...config, _class_name: name, _diffusers_version: VERSION }),
  },
});

const unetPart = (unet: SavedParts['unet'], config: Config): Part =>
  diffusersPart(unet instanceof Unet2d ? 'UNet2DModel' : 'UNet2DConditionModel', config, () => toUnet2d(unet));

function autoencoderPart({ autoencoder, config }: NonNullable<SavedParts['latents']>): Part {
  const name =
    autoencoder instanceof AutoencoderKl
      ? 'AutoencoderKL'
      : autoencoder instanceof AutoencoderVq
        ? 'VQModel'
        : 'AutoencoderTiny';
  return diffusersPart(name, config, () => autoencoderStateDict(autoencoder));
}

/** Options of transformers' `CLIPTextConfig` that it takes as floating-point numbers alone. */
const FLOATS = ['attention_dropout', 'initializer_factor', 'initializer_range', 'layer_norm_eps'];

const textPart = ({ encoder, config }: NonNullable<SavedParts['text']>): Part => ({
  of: ['transformers', encoder.projection ? 'CLIPTextModelWithProjection' : 'CLIPTextModel'],
  files: {
    'model.safetensors': () => weights(toClipText(encoder)),
    'config.json': () => pythonJson(config, FLOATS),
  },
});

/** The tokenizer's files, as they were. */
const tokenizerPart = ({ files }: NonNullable<SavedParts['text']>): Part => ({
  of: ['transformers', 'CLIPTokenizer'],
  files: Object.fromEntries(
    Object.entries({
      'tokenizer.json': files.tokenizer,
      'vocab.json': files.vocab,
      'merges.txt': files.merges,
      'tokenizer_config.json': files.config,
      'special_tokens_map.json': files.specialTokens,
    }).flatMap(([name, content]) => (content === undefined ? [] : [[name, () => content] as const])),
  ),
});
