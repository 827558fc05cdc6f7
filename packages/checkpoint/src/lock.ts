import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { reason } from './write-file-atomic';

/**
 * The locks of this process: one with its number may also be that of an earlier process, as numbers are used again.
 */
const held = new Set<string>();

const ownerSchema = z.object({ pid: z.int().positive(), host: z.string() });

/**
 * Claims a run folder for this process, until the function that it returns is called or the process is gone, however it
 * ended.
 * @throws Error in one line if another process that still runs holds it.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock.json');
  const claim = JSON.stringify({ pid: process.pid, host: hostname() });
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      await writeFile(path, claim, { flag: 'wx' });
      held.add(path);
      return async () => {
        held.delete(path);
        await rm(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new Error(`${path} cannot be written: ${reason(error)}`, { cause: error });
    }
    const owner = await readOwner(path);
    if (owner && (owner.host !== hostname() || isRunning(owner.pid, path))) {
      // A number is used again once its process is gone, and another machine's processes cannot be seen.
      const where = owner.host === hostname() ? '' : ` on ${owner.host}`;
      throw new Error(
        `${folder} is in use by another trainer (process ${owner.pid}${where}); if that is no trainer, remove ${path}`,
      );
    }
    // Whoever held it is gone. Only one process succeeds in moving what it left out of the way.
    const aside = `${path}.${randomBytes(4).toString('hex')}`;
    await rename(path, aside).catch(() => undefined);
    await rm(aside, { force: true });
  }
  throw new Error(`${folder} cannot be claimed: ${path} keeps coming back`);
}

async function readOwner(path: string): Promise<z.infer<typeof ownerSchema> | undefined> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      return ownerSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    } catch {
      // It may have been made a moment ago, and be written by now.
      await setTimeout(100);
    }
  }
  return undefined;
}

function isRunning(pid: number, path: string): boolean {
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user runs, but may not be signalled.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
