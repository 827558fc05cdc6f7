import type { Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Something in a folder that is not a folder. */
export interface ListedFile {
  readonly path: string;
  /** Its name, after those of the folders that it lies in, from the one that was listed. */
  readonly names: readonly string[];
  readonly what: 'file' | 'broken link' | 'special file';
}

/** Files that file managers leave behind. */
const LITTER = ['thumbs.db', 'desktop.ini'];

/**
 * All files in a folder and the folders in it, at any depth, in order of name; links are followed. What begins with a
 * dot is hidden, and not looked at.
 * @throws Error if a link leads back into a folder that it lies in
 */
export async function listFiles(root: string): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  const visit = async (folder: string, names: readonly string[], above: readonly string[]): Promise<void> => {
    const real = await realpath(folder);
    if (above.includes(real))
      throw new Error(`${folder}: a link that leads back to ${real}, a folder that it lies in; remove it`);
    const entries = (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name.startsWith('.') || LITTER.includes(entry.name.toLowerCase())) continue;
      const path = join(folder, entry.name);
      const inside = [...names, entry.name];
      const target = entry.isSymbolicLink() ? await followed(path) : entry;
      if (target?.isDirectory()) await visit(path, inside, [...above, real]);
      else
        files.push({ path, names: inside, what: !target ? 'broken link' : target.isFile() ? 'file' : 'special file' });
    }
  };
  await visit(root, [], []);
  return files;
}

/** The target of a link, if there is one. */
async function followed(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
