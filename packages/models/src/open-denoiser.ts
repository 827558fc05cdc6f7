import type { Checkpoint, LoadNetworkOptions } from '@ddpm/checkpoint';
import { decodeCheckpoint } from '@ddpm/checkpoint';
import type { Network } from '@ddpm/diffusion';
import { epsilon, learnedRange } from '@ddpm/diffusion';
import type { TensorValues } from '@ddpm/layers';
import { namedParameters } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import type { NoiseSchedule } from '@ddpm/schedules';
import { linearSchedule } from '@ddpm/schedules';
import type { StateDict } from '@ddpm/torch-file';
import { isTorchFile, readTorchFile, stateDict } from '@ddpm/torch-file';
import type { UnetOptions } from '@ddpm/unet';
import { loadTorchStateDict, Unet, unetOptionsFromTorch } from '@ddpm/unet';
import {
  isLucidrains,
  loadLucidrainsStateDict,
  LucidrainsUnet,
  lucidrainsOptionsFromTorch,
} from '@ddpm/unet/lucidrains';
import { diffusionProcess } from './diffusion-process';
import { scheduleLevels } from './levels';
import type { Denoiser } from './load-denoiser';
import { loadDenoiser } from './load-denoiser';

/** Facts that a PyTorch state_dict does not tell; each has its default. */
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
  /** Whether it was saved with its schedule, as a whole diffusion process of denoising-diffusion-pytorch. */
  readonly process?: boolean;
}

/**
 * The denoiser in a file: a checkpoint, or a PyTorch state_dict of the tutorial's U-Net or of
 * denoising-diffusion-pytorch's, alone or as the whole process that its trainer saves, as safetensors or as torch.save
 * writes it.
 * @throws Error in one line that says what of it is not as expected
 */
export async function openDenoiser(
  bytes: Uint8Array,
  { schedule, imageSize, ...options }: StateDictOptions & LoadNetworkOptions = {},
): Promise<OpenedDenoiser> {
  if (isTorchFile(bytes)) return ofStateDict(stateDict(readTorchFile(bytes)), { schedule, imageSize });
  const file = readSafetensors(bytes);
  if (!file.metadata.format?.startsWith('ddpm-')) return ofStateDict(stateDict(file.tensors), { schedule, imageSize });
  const checkpoint = await decodeCheckpoint(bytes, file);
  return { denoiser: await loadDenoiser(checkpoint, options), checkpoint, places: [] };
}

function ofStateDict(
  { tensors, schedule: saved, at, prefix }: StateDict,
  { schedule: asked = linearSchedule({ timesteps: 200 }), imageSize = 28 }: StateDictOptions,
): OpenedDenoiser {
  const { network, options } = unetOf(tensors as ReadonlyMap<string, TensorValues>);
  const { channels = 3, outDim = channels, dimMults = [] } = options;
  const factor = 2 ** (dimMults.length - 1);
  if (imageSize % factor !== 0)
    throw new Error(
      `its images must be a multiple of ${factor} high and wide, and ${imageSize} is none; say --image-size`,
    );
  const process = saved.has('betas');
  const { schedule, parameterisation } = process
    ? diffusionProcess(saved)
    : { schedule: asked, parameterisation: epsilon };
  const denoiser: Denoiser = {
    network,
    parameters: namedParameters({ denoiser: network }),
    image: [imageSize, imageSize, channels],
    parameterisation: outDim === 2 * channels ? learnedRange(parameterisation) : parameterisation,
    levels: scheduleLevels(schedule),
  };
  const places = [at && `of ${at}`, prefix && `without "${prefix}" before its names`].filter((place) => !!place);
  return { denoiser, places, ...(process && { process }) };
}

/** The network that a state_dict is of: the tutorial's U-Net, or that of denoising-diffusion-pytorch. */
function unetOf(tensors: ReadonlyMap<string, TensorValues>): {
  readonly network: Network;
  readonly options: Pick<UnetOptions, 'channels' | 'outDim' | 'dimMults'>;
} {
  if (isLucidrains(tensors)) {
    const options = lucidrainsOptionsFromTorch(tensors);
    const network = new LucidrainsUnet(options);
    loadLucidrainsStateDict(network, tensors);
    return { network, options };
  }
  const options = unetOptionsFromTorch(tensors);
  const network = new Unet(options);
  loadTorchStateDict(network, tensors);
  return { network, options };
}
