import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';
import type { Checkpoint } from '@ddpm/checkpoint';
import { findCheckpoint, pretrainedCheckpoint, readCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { openFolder } from '@ddpm/datasets';
import type { Denoiser } from '@ddpm/models';
import { loadDenoiser } from '@ddpm/models';
import { decodeNpz } from './npz';
import type { Settings } from './options';

/** A model that draws, or images that there are. */
export type Subject = {
  /** As it was named. */
  readonly name: string;
  readonly shape: readonly [h: number, w: number, c: number];
} & (
  | {
      readonly kind: 'model';
      readonly denoiser: Denoiser;
      /** The run folder that it lies in, or where what is measured of it goes. */
      readonly run: string;
      readonly step: number;
      /** What it was trained with, by the names of the trainer's settings. */
      readonly trained: Checkpoint['settings'];
    }
  | { readonly kind: 'images'; readonly images: Dataset }
);

/**
 * What a path leads to.
 * @param warn told what was passed over
 * @throws Error in one line that names it
 */
export async function openSubject(
  path: string,
  { imageSize, channels }: Pick<Settings, 'imageSize' | 'channels'>,
  warn: (line: string) => void,
): Promise<Subject> {
  if (path.startsWith('@') && !existsSync(path)) {
    const file = await pretrainedCheckpoint(path, { bases: [fileURLToPath(import.meta.url)] });
    return model(path, file, await readCheckpoint(file), '.');
  }
  const found = await stat(path).catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  });
  if (found.isDirectory()) {
    if (existsSync(join(path, 'checkpoint.safetensors')) || existsSync(join(path, 'checkpoints'))) {
      const { checkpoint, path: file, unusable } = await findCheckpoint(path);
      for (const line of unusable) warn(line);
      return model(path, file, checkpoint, path);
    }
    const size = imageSize === undefined ? undefined : ([imageSize, imageSize] as const);
    return ofImages(path, await openFolder(path, { size, channels, onSkipped: (line) => warn(`${path}: ${line}`) }));
  }
  const extension = extname(path).toLowerCase();
  if (extension === '.safetensors') return model(path, path, await readCheckpoint(path), runFolderOf(path));
  if (extension !== '.npz')
    throw new UsageError(
      `${path} is neither a run folder, a checkpoint (.safetensors), a folder of pictures nor an npz file`,
    );
  try {
    return ofImages(path, decodeNpz(await readFile(path)));
  } catch (error) {
    throw new Error(`${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

const ofImages = (name: string, images: Dataset): Subject => ({ name, kind: 'images', images, shape: images.shape });

async function model(name: string, file: string, checkpoint: Checkpoint, run: string): Promise<Subject> {
  try {
    const denoiser = await loadDenoiser(checkpoint, { run, bases: [fileURLToPath(import.meta.url)] });
    return {
      name,
      kind: 'model',
      denoiser,
      run,
      step: checkpoint.step,
      trained: checkpoint.settings,
      shape: denoiser.image,
    };
  } catch (error) {
    throw new Error(`${file} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

/** What a subject's files are called. */
export const fileName = ({ name }: Subject) =>
  basename(name)
    .replace(/\.\w+$/, '')
    .replace(/[^\w-]+/g, '-');
