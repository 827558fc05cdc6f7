import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execute, npm } from './execute.mjs';

/** The oldest that `engines` allows, and the newest of each line. */
const versions = ['20.19.0', '20', '22.12.0', '22', '24', '26'];

const platform = process.platform === 'win32' ? 'win' : process.platform;
const packageName = `node-${platform}-${process.arch}`;

/**
 * Installs the versions of Node that npm has for this machine: the executable of each, oldest first, and those that
 * there are none of.
 */
export async function installNodes(folder, env) {
  const found = new Map();
  const missing = [];
  for (const version of versions) {
    const cwd = join(folder, `node-${version}`);
    mkdirSync(cwd);
    try {
      await npm(['install', '--prefix', '.', `${packageName}@${version}`], { cwd, env });
    } catch {
      missing.push(version);
      continue;
    }
    const bin = join(cwd, 'node_modules', packageName, 'bin');
    const node = [join(bin, 'node'), join(bin, 'node.exe')].find(existsSync);
    found.set((await execute('node', ['--version'], { node })).trim().slice(1), node);
  }
  return { found, missing };
}
