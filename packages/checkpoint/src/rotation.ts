import { copyFile, link, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readCheckpoint, writeCheckpoint } from './checkpoint';
import type { Checkpoint } from './format';
import { makeFolder } from './make-folder';
import { reason } from './write-file-atomic';

const FOLDER = 'checkpoints';
const NEWEST = 'checkpoint.safetensors';
const pattern = /^step-(\d+)\.safetensors$/;

/** The numbered checkpoints of a run folder, newest first. */
async function numbered(run: string): Promise<{ step: number; path: string }[]> {
  const names = await readdir(join(run, FOLDER)).catch(() => []);
  return names
    .filter((name) => pattern.test(name))
    .map((name) => ({ step: Number(pattern.exec(name)![1]), path: join(run, FOLDER, name) }))
    .sort((a, b) => b.step - a.step);
}

/**
 * Adds a checkpoint to a run folder: `checkpoints/step-<step>.safetensors`, which `checkpoint.safetensors` then is too.
 * Of it and those of fewer steps all but the newest `keep` are removed, once the new one is safely there. Those of more
 * steps, which a run that is resumed from an earlier one may find, stay.
 * @param run the run folder
 * @param options.keep how many to keep
 * @throws Error in one line that names the file and the reason
 */
export async function saveCheckpoint(run: string, checkpoint: Checkpoint, { keep = 3 } = {}): Promise<void> {
  const path = join(run, FOLDER, `step-${String(checkpoint.step).padStart(7, '0')}.safetensors`);
  const newest = join(run, NEWEST);
  await makeFolder(join(run, FOLDER)).catch((error: unknown) => {
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
  const older = (await numbered(run)).filter(({ step }) => step <= checkpoint.step);
  for (const { path: old } of older.slice(keep)) await rm(old, { force: true });
}

/** The run folder of a checkpoint file: the one that it lies in, or that its `checkpoints` folder lies in. */
export function runFolderOf(path: string): string {
  const folder = dirname(path);
  return basename(folder) === FOLDER ? dirname(folder) : folder;
}

/**
 * The newest usable checkpoint of a run folder.
 * @param run the run folder
 * @returns it with its path, and one line for each newer one that cannot be used
 * @throws Error in one line if there is none
 */
export async function findCheckpoint(
  run: string,
): Promise<{ checkpoint: Checkpoint; path: string; unusable: string[] }> {
  await stat(run).catch((error: unknown) => {
    throw new Error(`${run} cannot be read: ${reason(error)}`, { cause: error });
  });
  const candidates = await numbered(run);
  const unusable: string[] = [];
  for (const { step, path } of [...candidates, { step: undefined, path: join(run, NEWEST) }]) {
    try {
      const checkpoint = await readCheckpoint(path);
      if (step === undefined || checkpoint.step === step) return { checkpoint, path, unusable };
      unusable.push(`${path} is not what its name says: it was made after ${checkpoint.step} steps`);
    } catch (error) {
      unusable.push((error as Error).message);
    }
  }
  throw new Error(
    candidates.length > 0
      ? `${run} has no usable checkpoint: ${unusable.join('; ')}`
      : `${run} holds no run: ${unusable[0]}`,
  );
}
