import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../pnpm.mjs';

/** Packs what is in these folders, as it would be published; the paths of the tarballs. */
export function pack(folders, to) {
  mkdirSync(to);
  for (const path of folders)
    execFileSync(process.execPath, [
      join(root, 'scripts', 'pnpm.mjs'),
      '--dir',
      path,
      'pack',
      '--pack-destination',
      to,
    ]);
  return readdirSync(to).map((name) => join(to, name));
}
