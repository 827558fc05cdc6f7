import { readFile } from 'node:fs/promises';
import type { Checkpoint } from './format';
import { decodeCheckpoint, encodeCheckpoint } from './format';
import { reason, writeFileAtomic } from './write-file-atomic';

/**
 * Writes a checkpoint to a file, atomically.
 * @throws Error in one line that names the file and the reason; what the file held before stays.
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeFileAtomic(path, await encodeCheckpoint(checkpoint));
}

/**
 * Reads a checkpoint from a file.
 * @throws Error in one line that names the file and what is wrong with it: damage anywhere in it is found by its
 * SHA-256.
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
  try {
    return await decodeCheckpoint(bytes);
  } catch (error) {
    throw new Error(`${path} is not a usable checkpoint: ${(error as Error).message}`, { cause: error });
  }
}
