import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ImageShape } from '@ddpm/app-common';
import { schedules, UsageError } from '@ddpm/app-common';
import type { Checkpoint } from '@ddpm/checkpoint';
import { checkpointFrom, findCheckpoint, loadNetwork, reason, runFolderOf } from '@ddpm/checkpoint';
import type { Network, Objective } from '@ddpm/diffusion';
import { epsilon, velocity, xStart } from '@ddpm/diffusion';
import type { TensorValues } from '@ddpm/layers';
import { loadParameters } from '@ddpm/layers';
import type { Safetensors } from '@ddpm/safetensors';
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
  const file = await readModelFile(path);
  const stateDict = file && !file.metadata.format?.startsWith('ddpm-');
  if (stateDict) return stateDictModel(path, file.tensors as ReadonlyMap<string, TensorValues>, settings);
  if (settings.schedule !== undefined || settings.timesteps !== undefined || settings.imageSize !== undefined) {
    throw new UsageError(`--schedule, --timesteps and --image-size are for a PyTorch state_dict; ${path} tells its own`);
  }
  if (file)
    return checkpointModel(
      path,
      named(path, () => checkpointFrom(file)),
      { run: runFolderOf(path), folder: dirname(path) },
    );
  const found = await findCheckpoint(path);
  return checkpointModel(found.path, found.checkpoint, { run: path, folder: path, unusable: found.unusable });
}

/** What a file holds; undefined for a folder. */
async function readModelFile(path: string): Promise<Safetensors | undefined> {
  const bytes = await stat(path)
    .then((found) => (found.isDirectory() ? undefined : readFile(path)))
    .catch((error: unknown) => {
      throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
    });
  return bytes && named(path, () => readSafetensors(bytes));
}

/** Does what may fail, with the file's name before what is wrong. */
function named<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

async function checkpointModel(
  path: string,
  { model, betas, step, parameters }: Checkpoint,
  { run, folder, unusable = [] }: { run: string; folder: string; unusable?: readonly string[] },
): Promise<Model> {
  const network = await loadNetwork<Network>(model.network, { run, bases: [fileURLToPath(import.meta.url)] });
  named(path, () => loadParameters(network, parameters));
  return {
    network,
    schedule: scheduleFromBetas(betas),
    objective: objectives[model.objective],
    objectiveName: model.objective,
    imageShape: model.imageShape,
    folder,
    description: `${model.network.name} after ${step} steps, images of ${model.imageShape.join('×')}`,
    unusable,
  };
}

function stateDictModel(
  path: string,
  tensors: ReadonlyMap<string, TensorValues>,
  { schedule = 'linear', timesteps = 200, imageSize = 28 }: Settings,
): Model {
  const { unet, channels } = named(path, () => {
    const options = unetOptionsFromTorch(tensors);
    const unet = new Unet(options);
    loadTorchStateDict(unet, tensors);
    return { unet, channels: options.channels };
  });
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
