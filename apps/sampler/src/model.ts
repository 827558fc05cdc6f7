import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ImageShape } from '@ddpm/app-common';
import { schedules, UsageError } from '@ddpm/app-common';
import { findCheckpoint, loadNetwork, reason } from '@ddpm/checkpoint';
import type { Network, Objective } from '@ddpm/diffusion';
import { epsilon, velocity, xStart } from '@ddpm/diffusion';
import type { TensorValues } from '@ddpm/layers';
import { loadParameters } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import type { NoiseSchedule } from '@ddpm/schedules';
import { scheduleFromBetas } from '@ddpm/schedules';
import { loadTorchStateDict, Unet, unetOptionsFromTorch } from '@ddpm/unet';
import type { Settings } from './options';

/** A trained network, with what it takes to sample from it. */
export interface Model {
  readonly network: Network;
  readonly schedule: NoiseSchedule;
  readonly objective: Objective;
  readonly objectiveName: keyof typeof objectives;
  readonly imageShape: ImageShape;
  /** The folder that it lies in. */
  readonly folder: string;
  /** One line that says what it is. */
  readonly description: string;
  /** One line for each newer checkpoint that cannot be used. */
  readonly unusable: readonly string[];
}

const objectives = { epsilon, xStart, velocity };

/** Loads a run folder's newest usable checkpoint, a checkpoint file, or a PyTorch state_dict of the tutorial's U-Net. */
export async function loadModel(path: string, settings: Settings): Promise<Model> {
  if (await isStateDict(path)) return loadStateDict(path, settings);
  if (settings.schedule !== undefined || settings.timesteps !== undefined || settings.imageSize !== undefined) {
    throw new UsageError(`--schedule, --timesteps and --image-size are for a PyTorch state_dict; ${path} tells its own`);
  }
  const { checkpoint, path: file, unusable } = await findCheckpoint(path);
  const { model, betas, step, parameters } = checkpoint;
  const network = await loadNetwork<Network>(model.network, [fileURLToPath(import.meta.url)]);
  loadParameters(network, parameters);
  return {
    network,
    schedule: scheduleFromBetas(betas),
    objective: objectives[model.objective],
    objectiveName: model.objective,
    imageShape: model.imageShape,
    folder: path === file ? dirname(path) : path,
    description: `${model.network.name} after ${step} steps, images of ${model.imageShape.join('×')}`,
    unusable,
  };
}

/** Whether a file is safetensors, but not one of our checkpoints. What cannot be read is left to who reads it. */
async function isStateDict(path: string): Promise<boolean> {
  try {
    const { metadata } = readSafetensors(await readFile(path));
    return metadata.format === undefined || !metadata.format.startsWith('ddpm-');
  } catch {
    return false;
  }
}

async function loadStateDict(path: string, { schedule = 'linear', timesteps = 200, imageSize = 28 }: Settings): Promise<Model> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  });
  const tensors = readSafetensors(bytes).tensors as ReadonlyMap<string, TensorValues>;
  let unet: Unet;
  let channels: number;
  try {
    const options = unetOptionsFromTorch(tensors);
    channels = options.channels;
    unet = new Unet(options);
    loadTorchStateDict(unet, tensors);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
  return {
    network: unet,
    schedule: schedules[schedule]({ timesteps }),
    objective: epsilon,
    objectiveName: 'epsilon',
    imageShape: [imageSize, imageSize, channels],
    folder: dirname(path),
    description: `a PyTorch state_dict, images of ${imageSize}×${imageSize}×${channels}, ${schedule} schedule of ${timesteps} timesteps`,
    unusable: [],
  };
}
