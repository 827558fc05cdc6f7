import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Where downloads are kept: `DDPM_CACHE_DIR`, or `ddpm` in the operating system's folder for caches (`XDG_CACHE_HOME`
 * on Linux).
 * The options stand for the process that asks.
 */
export function defaultCacheDir({
  env = process.env,
  platform = process.platform,
  home = homedir(),
}: { env?: Readonly<Record<string, string | undefined>>; platform?: string; home?: string } = {}): string {
  if (env.DDPM_CACHE_DIR) return env.DDPM_CACHE_DIR;
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'ddpm', 'Cache');
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'ddpm');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'ddpm');
}

/**
 * Writes a file whole or not at all: to a temporary name beside it, synced, then renamed. Its folder is made if need
 * be.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
