import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { schedules, UsageError } from '@ddpm/app-common';
import { pretrainedCheckpoint, reason } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { openFolder } from '@ddpm/datasets';
import { isPipelineFolder } from '@ddpm/diffusers';
import type { Model } from '@ddpm/models';
import { openModel } from '@ddpm/models';
import { decodeNpz } from './npz';
import type { Settings } from './options';

/** The endings of files that hold models. */
const MODEL_FILES = ['.safetensors', '.pt', '.pth', '.bin', '.ckpt'];

/** A model that draws, or images that there are. */
export type Subject = {
  /** As it was named. */
  readonly name: string;
  readonly shape: readonly [h: number, w: number, c: number];
} & (
  | ({ readonly kind: 'model' } & Pick<Model, 'denoiser' | 'step' | 'trained'> & {
        /** The run folder that it lies in, or where what is measured of it goes; nowhere where it is missing. */
        readonly run?: string;
      })
  | { readonly kind: 'images'; readonly images: Dataset }
);

/**
 * Opens the model or the images that a path leads to.
 * @param warn told what was passed over
 * @throws Error in one line that names it
 */
export async function openSubject(
  path: string,
  settings: Pick<Settings, 'imageSize' | 'channels' | 'schedule' | 'timesteps'>,
  warn: (line: string) => void,
): Promise<Subject> {
  if (path.startsWith('@') && !existsSync(path)) {
    const file = await pretrainedCheckpoint(path, { bases: [fileURLToPath(import.meta.url)] });
    // What is measured of an installed model does not go beside it.
    return { ...(await openedModel(file, settings, warn)), name: path, run: '.' };
  }
  const found = await stat(path).catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  });
  if (found.isDirectory()) {
    if (
      ['checkpoint.safetensors', 'checkpoints'].some((name) => existsSync(join(path, name))) ||
      isPipelineFolder(path)
    )
      return openedModel(path, settings, warn);
    const { imageSize, channels } = settings;
    const size = imageSize === undefined ? undefined : ([imageSize, imageSize] as const);
    return ofImages(path, await openFolder(path, { size, channels, onSkipped: (line) => warn(`${path}: ${line}`) }));
  }
  const extension = extname(path).toLowerCase();
  if (MODEL_FILES.includes(extension)) return openedModel(path, settings, warn);
  if (extension !== '.npz')
    throw new UsageError(
      `${path} is neither a run folder, a checkpoint, a folder that diffusers saved, a PyTorch state_dict (${MODEL_FILES.join(', ')}), a folder of pictures nor an npz file`,
    );
  try {
    return ofImages(path, decodeNpz(await readFile(path)));
  } catch (error) {
    throw new Error(`${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

const ofImages = (name: string, images: Dataset): Subject => ({ name, kind: 'images', images, shape: images.shape });

async function openedModel(
  path: string,
  { schedule, timesteps, imageSize }: Pick<Settings, 'imageSize' | 'schedule' | 'timesteps'>,
  warn: (line: string) => void,
): Promise<Subject & { readonly kind: 'model' }> {
  const { kind, denoiser, run, step, trained, unusable } = await openModel(path, {
    ...{ schedule: schedules[schedule ?? 'linear']({ timesteps: timesteps ?? 200 }), imageSize },
    bases: [fileURLToPath(import.meta.url)],
  });
  for (const line of unusable) warn(line);
  if (kind !== 'state_dict' && (schedule !== undefined || timesteps !== undefined))
    throw new UsageError(`--schedule and --timesteps are for a PyTorch state_dict; ${path} tells its own`);
  return {
    ...{ name: path, kind: 'model', denoiser, run, step, trained },
    shape: denoiser.latents?.image ?? denoiser.image,
  };
}

/** The name of a subject, as a part of file names. */
export const fileName = ({ name }: Subject) =>
  basename(name)
    .replace(/\.\w+$/, '')
    .replace(/[^\w-]+/g, '-');
