import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Checkpoint } from '@ddpm/checkpoint';
import { findCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import { isPipelineFolder } from '@ddpm/diffusers';
import type { Denoiser } from './load-denoiser';
import { loadDenoiser } from './load-denoiser';
import type { StateDictOptions } from './open-denoiser';
import { openDenoiser } from './open-denoiser';
import { pipelineCheckpoint } from './pipeline-checkpoint';

/** A denoiser that was opened by its path. */
export interface Model {
  /** The denoiser. */
  readonly denoiser: Denoiser;
  /** The kind of thing that it was opened from. */
  readonly kind: 'checkpoint' | 'pipeline' | 'state_dict' | 'process';
  /** The folder that it lies in. */
  readonly folder: string;
  /** The run folder that it lies in, of a checkpoint. */
  readonly run?: string;
  /** One line that says what it is. */
  readonly description: string;
  /** One line for each newer checkpoint that cannot be used. */
  readonly unusable: readonly string[];
  /** How its networks are made, of a checkpoint, or of what diffusers saved. */
  readonly networks?: Checkpoint['networks'];
  /** How many steps it was trained for, where that is known. */
  readonly step?: number;
  /** The settings that it was trained with, by the trainer's names, where they are known. */
  readonly trained: Checkpoint['settings'];
}

/** How a model is opened; each has its default. */
export interface OpenModelOptions extends StateDictOptions {
  /** Folders or files from which network packages are looked up, after the current folder and the run folder. */
  readonly bases?: readonly string[];
}

/**
 * Opens the newest usable checkpoint of a run folder, a checkpoint file, a folder that diffusers saved, or a PyTorch
 * state_dict of the tutorial's U-Net or of denoising-diffusion-pytorch's, or the whole diffusion process that the
 * latter's trainer saves, as safetensors or as torch.save writes it.
 * @throws Error in one line that names the path, and what of it is not as expected
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<Model> {
  const bytes = await readModelFile(path);
  if (bytes) {
    const opened = await named(path, () => openDenoiser(bytes, { ...options, run: runFolderOf(path) }));
    const { denoiser, checkpoint, places, process } = opened;
    if (checkpoint) return described(denoiser, checkpoint, { run: runFolderOf(path), folder: dirname(path) });
    const what = process ? 'a diffusion process of PyTorch' : 'a PyTorch state_dict';
    const { parameterisation, levels } = denoiser;
    const tells = `, which predicts ${parameterisation.name}, schedule of ${levels.schedule?.timesteps} timesteps`;
    const description = `${[what, ...places].join(' ')}, ${imagesOf(denoiser)}${process ? tells : ''}`;
    const kind = process ? 'process' : 'state_dict';
    return { ...{ denoiser, kind, folder: dirname(path), description }, unusable: [], trained: {} };
  }
  if (isPipelineFolder(path)) {
    const checkpoint = { ...(await pipelineCheckpoint(path)), state: new Map() };
    const { denoiser, networks } = await checkpointModel(path, checkpoint, { ...options, run: path, folder: path });
    const { captions, latents } = denoiser;
    const what = captions ? 'Stable Diffusion' : latents ? 'latent diffusion' : 'UNet2DModel';
    const description = `diffusers' ${what}, ${imagesOf(denoiser)}`;
    return { ...{ denoiser, networks, kind: 'pipeline', folder: path, description }, unusable: [], trained: {} };
  }
  const { checkpoint, path: newest, unusable } = await findCheckpoint(path);
  return { ...(await checkpointModel(newest, checkpoint, { ...options, run: path, folder: path })), unusable };
}

/** A file's bytes; undefined for a folder. */
async function readModelFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return (await stat(path)).isDirectory() ? undefined : await readFile(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
}

/** Does what may fail, with the file's name before what is wrong. */
async function named<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

const imagesOf = ({ image, latents }: Denoiser) => `images of ${(latents?.image ?? image).join('×')}`;

async function checkpointModel(
  path: string,
  checkpoint: Checkpoint,
  { run, folder, bases }: { run: string; folder: string; bases?: readonly string[] },
): Promise<Model> {
  const denoiser = await named(path, () => loadDenoiser(checkpoint, { run, bases }));
  return described(denoiser, checkpoint, { run, folder });
}

function described(
  denoiser: Denoiser,
  { networks, step, settings: trained }: Checkpoint,
  { run, folder }: { run: string; folder: string },
): Model {
  const description = `${networks.denoiser.name} after ${step} steps, ${imagesOf(denoiser)}`;
  return { ...{ denoiser, networks, kind: 'checkpoint', folder, run, description, step, trained }, unusable: [] };
}
