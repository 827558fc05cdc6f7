import { stat } from 'node:fs/promises';
import { findCheckpoint, readCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import { checkLeads } from './check-leads';
import type { Denoiser } from './load-denoiser';
import type { LoadedNoisedClassifier } from './load-noised-classifier';
import { loadNoisedClassifier } from './load-noised-classifier';

/**
 * Opens the classifier of noisy images that a run folder or a checkpoint holds, to lead a denoiser.
 * @param options.bases folders or files from which network packages are looked up, after the current folder and the run folder
 * @throws Error in one line that names the path, and what of it is not as expected or does not fit the denoiser
 */
export async function openNoisedClassifier(
  path: string,
  denoiser: Pick<Denoiser, 'image' | 'levels'>,
  { bases = [] }: { bases?: readonly string[] } = {},
): Promise<LoadedNoisedClassifier> {
  const opened = await open(path, bases).catch((error: unknown) => {
    throw new Error(`${path} cannot be used: ${reason(error)}`, { cause: error });
  });
  checkLeads(path, opened, denoiser);
  return opened;
}

async function open(path: string, bases: readonly string[]): Promise<LoadedNoisedClassifier> {
  const isFolder = (await stat(path)).isDirectory();
  const checkpoint = isFolder ? (await findCheckpoint(path)).checkpoint : await readCheckpoint(path);
  return loadNoisedClassifier(checkpoint, { run: isFolder ? path : runFolderOf(path), bases });
}
