import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Checkpoint } from '@ddpm/checkpoint';
import { decodeCheckpoint, findCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import { isPipelineFolder } from '@ddpm/diffusers';
import { epsilon } from '@ddpm/diffusion';
import type { TensorValues } from '@ddpm/layers';
import { namedParameters } from '@ddpm/layers';
import type { StoredTensor } from '@ddpm/safetensors';
import { readSafetensors } from '@ddpm/safetensors';
import type { NoiseSchedule } from '@ddpm/schedules';
import { linearSchedule } from '@ddpm/schedules';
import { isTorchFile, readTorchFile, stateDict } from '@ddpm/torch-file';
import { loadTorchStateDict, Unet, unetOptionsFromTorch } from '@ddpm/unet';
import { scheduleLevels } from './levels';
import type { Denoiser } from './load-denoiser';
import { loadDenoiser } from './load-denoiser';
import { pipelineCheckpoint } from './pipeline-checkpoint';

/** A denoiser that was opened by its path. */
export interface Model {
  /** The denoiser. */
  readonly denoiser: Denoiser;
  /** The kind of thing that it was opened from. */
  readonly kind: 'checkpoint' | 'pipeline' | 'state_dict';
  /** The folder that it lies in. */
  readonly folder: string;
  /** The run folder that it lies in, of a checkpoint. */
  readonly run?: string;
  /** One line that says what it is. */
  readonly description: string;
  /** One line for each newer checkpoint that cannot be used. */
  readonly unusable: readonly string[];
  /** How many steps it was trained for, where that is known. */
  readonly step?: number;
  /** The settings that it was trained with, by the trainer's names, where they are known. */
  readonly trained: Checkpoint['settings'];
}

/** How a model is opened; each has its default. */
export interface OpenModelOptions {
  /** Of a PyTorch state_dict, which does not tell: the schedule; linear, of 200 timesteps, by default. */
  readonly schedule?: NoiseSchedule;
  /** Of a PyTorch state_dict: height and width of its images; 28 by default. */
  readonly imageSize?: number;
  /** Folders or files from which network packages are looked up, after the current folder and the run folder. */
  readonly bases?: readonly string[];
}

/**
 * Opens the newest usable checkpoint of a run folder, a checkpoint file, a folder that diffusers saved, or a PyTorch
 * state_dict of the tutorial's U-Net, as safetensors or as torch.save writes it.
 * @throws Error in one line that names the path, and what of it is not as expected
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<Model> {
  const bytes = await readModelFile(path);
  if (bytes && isTorchFile(bytes)) {
    const { tensors, at, prefix } = await named(path, () => stateDict(readTorchFile(bytes)));
    const places = [at && `of ${at}`, prefix && `without "${prefix}" before its names`].filter(Boolean);
    return stateDictModel(path, tensors, options, places);
  }
  const file = bytes && (await named(path, () => readSafetensors(bytes)));
  if (file && !file.metadata.format?.startsWith('ddpm-')) return stateDictModel(path, file.tensors, options);
  if (file) {
    const checkpoint = await named(path, () => decodeCheckpoint(bytes, file));
    return checkpointModel(path, checkpoint, { ...options, run: runFolderOf(path), folder: dirname(path) });
  }
  if (isPipelineFolder(path)) {
    const checkpoint = { ...(await pipelineCheckpoint(path)), state: new Map() };
    const { denoiser } = await checkpointModel(path, checkpoint, { ...options, run: path, folder: path });
    const description = `diffusers' UNet2DModel, ${imagesOf(denoiser)}`;
    return { ...{ denoiser, kind: 'pipeline', folder: path, description }, unusable: [], trained: {} };
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

const imagesOf = ({ image }: Denoiser) => `images of ${image.join('×')}`;

async function checkpointModel(
  path: string,
  checkpoint: Checkpoint,
  { run, folder, bases }: { run: string; folder: string; bases?: readonly string[] },
): Promise<Model> {
  const denoiser = await named(path, () => loadDenoiser(checkpoint, { run, bases }));
  const { step, settings: trained } = checkpoint;
  const description = `${checkpoint.networks.denoiser.name} after ${step} steps, ${imagesOf(denoiser)}`;
  return { ...{ denoiser, kind: 'checkpoint', folder, run, description, step, trained }, unusable: [] };
}

async function stateDictModel(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  { schedule = linearSchedule({ timesteps: 200 }), imageSize = 28 }: OpenModelOptions,
  places: readonly string[] = [],
): Promise<Model> {
  const { network, channels } = await named(path, () => {
    const options = unetOptionsFromTorch(tensors);
    const unet = new Unet(options);
    loadTorchStateDict(unet, tensors as ReadonlyMap<string, TensorValues>);
    return { network: unet, channels: options.channels };
  });
  const denoiser: Denoiser = {
    network,
    parameters: namedParameters({ denoiser: network }),
    image: [imageSize, imageSize, channels],
    parameterisation: epsilon,
    levels: scheduleLevels(schedule),
  };
  const description = `${['a PyTorch state_dict', ...places].join(' ')}, ${imagesOf(denoiser)}`;
  return { ...{ denoiser, kind: 'state_dict', folder: dirname(path), description }, unusable: [], trained: {} };
}
