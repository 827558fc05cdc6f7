import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { schedules, UsageError } from '@ddpm/app-common';
import type { Checkpoint } from '@ddpm/checkpoint';
import { decodeCheckpoint, findCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import { isPipelineFolder } from '@ddpm/diffusers';
import { epsilon } from '@ddpm/diffusion';
import type { TensorValues } from '@ddpm/layers';
import { namedParameters } from '@ddpm/layers';
import type { Denoiser } from '@ddpm/models';
import { loadDenoiser, pipelineCheckpoint, scheduleLevels } from '@ddpm/models';
import type { StoredTensor } from '@ddpm/safetensors';
import { readSafetensors } from '@ddpm/safetensors';
import { isTorchFile, readTorchFile, stateDict } from '@ddpm/torch-file';
import { loadTorchStateDict, Unet, unetOptionsFromTorch } from '@ddpm/unet';
import type { Settings } from './options';

/** A trained network, with what it takes to sample from it. */
export interface Model {
  readonly denoiser: Denoiser;
  /** The folder that it lies in. */
  readonly folder: string;
  /** One line that says what it is. */
  readonly description: string;
  /** One line for each newer checkpoint that cannot be used. */
  readonly unusable: readonly string[];
}

/**
 * Loads a run folder's newest usable checkpoint, a checkpoint file, a folder that diffusers saved, or a PyTorch state_dict of the tutorial's U-Net, as
 * safetensors or as torch.save writes it.
 */
export async function loadModel(path: string, settings: Settings): Promise<Model> {
  const bytes = await readModelFile(path);
  if (bytes && isTorchFile(bytes)) {
    const { tensors, at, prefix } = await named(path, () => stateDict(readTorchFile(bytes)));
    const places = [at && `of ${at}`, prefix && `without "${prefix}" before its names`].filter(Boolean);
    return stateDictModel(path, tensors, settings, places);
  }
  const file = bytes && (await named(path, () => readSafetensors(bytes)));
  if (file && !file.metadata.format?.startsWith('ddpm-')) return stateDictModel(path, file.tensors, settings);
  if (settings.schedule !== undefined || settings.timesteps !== undefined || settings.imageSize !== undefined) {
    throw new UsageError(
      `--schedule, --timesteps and --image-size are for a PyTorch state_dict; ${path} tells its own`,
    );
  }
  if (file)
    return checkpointModel(path, await named(path, () => decodeCheckpoint(bytes, file)), {
      run: runFolderOf(path),
      folder: dirname(path),
    });
  if (isPipelineFolder(path))
    return checkpointModel(
      path,
      { ...(await pipelineCheckpoint(path)), state: new Map() },
      { run: path, folder: path, what: "diffusers' UNet2DModel" },
    );
  const found = await findCheckpoint(path);
  return checkpointModel(found.path, found.checkpoint, { run: path, folder: path, unusable: found.unusable });
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

async function checkpointModel(
  path: string,
  checkpoint: Checkpoint,
  { run, folder, unusable = [], what }: { run: string; folder: string; unusable?: readonly string[]; what?: string },
): Promise<Model> {
  const denoiser = await named(path, () => loadDenoiser(checkpoint, { run, bases: [fileURLToPath(import.meta.url)] }));
  const { name } = checkpoint.networks.denoiser;
  return {
    denoiser,
    folder,
    description: `${what ?? `${name} after ${checkpoint.step} steps`}, images of ${denoiser.image.join('×')}`,
    unusable,
  };
}

async function stateDictModel(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  { schedule = 'linear', timesteps = 200, imageSize = 28 }: Settings,
  places: readonly string[] = [],
): Promise<Model> {
  const { network, channels } = await named(path, () => {
    const options = unetOptionsFromTorch(tensors);
    const unet = new Unet(options);
    loadTorchStateDict(unet, tensors as ReadonlyMap<string, TensorValues>);
    return { network: unet, channels: options.channels };
  });
  return {
    denoiser: {
      network,
      parameters: namedParameters({ denoiser: network }),
      image: [imageSize, imageSize, channels],
      parameterisation: epsilon,
      levels: scheduleLevels(schedules[schedule]({ timesteps })),
    },
    folder: dirname(path),
    description: [
      ['a PyTorch state_dict', ...places].join(' '),
      `images of ${imageSize}×${imageSize}×${channels}`,
      `${schedule} schedule of ${timesteps} timesteps`,
    ].join(', '),
    unusable: [],
  };
}
