import { mkdir, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder';
import { reason } from './write-file-atomic';

/**
 * Makes a new, empty folder: the one asked for, or the first free of `<prefix>-1`, `<prefix>-2`, …
 * @returns its path
 * @throws Error in one line if it cannot be made, or holds files already.
 */
export async function createFolder(wanted: { path: string } | { prefix: string }): Promise<string> {
  if ('path' in wanted) {
    const { path } = wanted;
    const files = await makeFolder(path)
      .then(() => readdir(path))
      .catch((error: unknown) => refuse(path, reason(error), error));
    if (files.length > 0) refuse(path, 'it holds files already; name a new folder');
    return path;
  }
  const { prefix } = wanted;
  await makeFolder(dirname(prefix)).catch((error: unknown) => refuse(dirname(prefix), reason(error), error));
  for (let i = 1; ; i++) {
    const path = `${prefix}-${i}`;
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') refuse(path, reason(error), error);
    }
  }
}

function refuse(path: string, why: string, cause?: unknown): never {
  throw new Error(`${path} cannot be written to: ${why}`, { cause });
}
