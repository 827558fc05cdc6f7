import type { Checkpoint, LoadNetworkOptions } from '@ddpm/checkpoint';
import { decodeCheckpoint } from '@ddpm/checkpoint';
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

/** What a PyTorch state_dict does not tell; each has its default. */
export interface StateDictOptions {
  /** The schedule; linear, of 200 timesteps, by default. */
  readonly schedule?: NoiseSchedule;
  /** Height and width of its images; 28 by default. */
  readonly imageSize?: number;
}

/** A denoiser that was opened from a file's bytes. */
export interface OpenedDenoiser {
  readonly denoiser: Denoiser;
  /** The checkpoint that it was in, without which it was a state_dict. */
  readonly checkpoint?: Checkpoint;
  /** Where in PyTorch's file it was found, as words such as `of ema_model`. */
  readonly places: readonly string[];
}

/**
 * The denoiser in a file: a checkpoint, or a PyTorch state_dict of the tutorial's U-Net, as safetensors or as torch.save
 * writes it.
 * @throws Error in one line that says what of it is not as expected
 */
export async function openDenoiser(
  bytes: Uint8Array,
  { schedule, imageSize, ...options }: StateDictOptions & LoadNetworkOptions = {},
): Promise<OpenedDenoiser> {
  if (isTorchFile(bytes)) {
    const { tensors, at, prefix } = stateDict(readTorchFile(bytes));
    const places = [at && `of ${at}`, prefix && `without "${prefix}" before its names`].filter((place) => !!place);
    return { denoiser: ofStateDict(tensors, { schedule, imageSize }), places: places };
  }
  const file = readSafetensors(bytes);
  if (!file.metadata.format?.startsWith('ddpm-'))
    return { denoiser: ofStateDict(file.tensors, { schedule, imageSize }), places: [] };
  const checkpoint = await decodeCheckpoint(bytes, file);
  return { denoiser: await loadDenoiser(checkpoint, options), checkpoint, places: [] };
}

function ofStateDict(
  tensors: ReadonlyMap<string, StoredTensor>,
  { schedule = linearSchedule({ timesteps: 200 }), imageSize = 28 }: StateDictOptions,
): Denoiser {
  const options = unetOptionsFromTorch(tensors);
  const network = new Unet(options);
  loadTorchStateDict(network, tensors as ReadonlyMap<string, TensorValues>);
  return {
    network,
    parameters: namedParameters({ denoiser: network }),
    image: [imageSize, imageSize, options.channels],
    parameterisation: epsilon,
    levels: scheduleLevels(schedule),
  };
}
