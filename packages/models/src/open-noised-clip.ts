import { stat } from 'node:fs/promises';
import { findCheckpoint, readCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import { checkLeads } from './check-leads';
import type { LoadedClip } from './load-clip';
import { loadClip } from './load-clip';
import type { Denoiser } from './load-denoiser';

/**
 * Opens the CLIP of noisy images that a run folder or a checkpoint holds, to lead a denoiser.
 * @param options.bases folders or files from which network packages are looked up, after the current folder and the run folder
 * @throws Error in one line that names the path, and what of it is not as expected or does not fit the denoiser
 */
export async function openNoisedClip(
  path: string,
  denoiser: Pick<Denoiser, 'image' | 'levels'>,
  { bases = [] }: { bases?: readonly string[] } = {},
): Promise<LoadedClip> {
  const { levels, ...clip } = await open(path, bases).catch((error: unknown) => {
    throw new Error(`${path} cannot be used: ${reason(error)}`, { cause: error });
  });
  checkLeads(path, { image: clip.image, levels }, denoiser);
  return { ...clip, levels };
}

async function open(path: string, bases: readonly string[]) {
  const isFolder = (await stat(path)).isDirectory();
  const checkpoint = isFolder ? (await findCheckpoint(path)).checkpoint : await readCheckpoint(path);
  const { levels, ...clip } = await loadClip(checkpoint, { run: isFolder ? path : runFolderOf(path), bases });
  if (!levels) throw new Error('it is a CLIP of images without noise; --noised trains one that guides');
  return { ...clip, levels };
}
