import { copyFile, link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint } from './checkpoint';
import { readCheckpoint, writeCheckpoint } from './checkpoint';
import { reason } from './write-file-atomic';

const FOLDER = 'checkpoints';
const NEWEST = 'checkpoint.safetensors';
const pattern = /^step-(\d+)\.safetensors$/;

/** The numbered checkpoints of a run folder, newest first. */
async function numbered(run: string): Promise<string[]> {
  const names = await readdir(join(run, FOLDER)).catch(() => []);
  const steps = names.flatMap((name) => pattern.exec(name) ?? []).filter((_, i) => i % 2 === 1);
  return steps.sort((a, b) => Number(b) - Number(a)).map((step) => join(run, FOLDER, `step-${step}.safetensors`));
}

/**
 * Adds a checkpoint to a run folder: `checkpoints/step-<step>.safetensors`, which `checkpoint.safetensors` then is too. All but the newest
 * `keep` are removed, once the new one is safely there.
 * @param run the run folder
 * @param options.keep how many to keep
 * @throws Error in one line that names the file and the reason
 */
export async function saveCheckpoint(run: string, checkpoint: Checkpoint, { keep = 3 } = {}): Promise<void> {
  const path = join(run, FOLDER, `step-${String(checkpoint.step).padStart(7, '0')}.safetensors`);
  const newest = join(run, NEWEST);
  await mkdir(join(run, FOLDER), { recursive: true }).catch((error: unknown) => {
    throw new Error(`${path} cannot be written: ${reason(error)}`, { cause: error });
  });
  await writeCheckpoint(path, checkpoint);
  // A second name for the same file where the file system has that, otherwise a copy.
  const temporary = `${newest}.tmp`;
  try {
    await rm(temporary, { force: true });
    await link(path, temporary).catch(() => copyFile(path, temporary));
    await rename(temporary, newest);
  } catch (error) {
    throw new Error(`${newest} cannot be written: ${reason(error)}`, { cause: error });
  }
  for (const old of (await numbered(run)).slice(keep)) await rm(old, { force: true });
}

/**
 * The newest usable checkpoint of a run folder, or the checkpoint file that the path names.
 * @returns it with its path, and one line for each newer one that cannot be used
 * @throws Error in one line if there is none
 */
export async function findCheckpoint(path: string): Promise<{ checkpoint: Checkpoint; path: string; unusable: string[] }> {
  const found = await stat(path).catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  });
  if (!found.isDirectory()) return { checkpoint: await readCheckpoint(path), path, unusable: [] };
  const candidates = await numbered(path);
  const unusable: string[] = [];
  for (const candidate of candidates.length > 0 ? candidates : [join(path, NEWEST)]) {
    try {
      return { checkpoint: await readCheckpoint(candidate), path: candidate, unusable };
    } catch (error) {
      unusable.push((error as Error).message);
    }
  }
  throw new Error(
    candidates.length > 0 ? `${path} has no usable checkpoint: ${unusable.join('; ')}` : `${path} holds no run: ${unusable[0]}`,
  );
}
