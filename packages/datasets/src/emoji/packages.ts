import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { KEYWORDS, NAMES, VENDORS } from './vendors';

/** A package's folder, and its version. */
export interface Installed {
  readonly folder: string;
  readonly version: string;
}

/**
 * Where the packages that emoji are made of are installed.
 * @param from folders that they are looked up from, as a module there would; then this package
 * @throws Error, one line that says what to install
 */
export async function findPackages(from: readonly string[]): Promise<ReadonlyMap<string, Installed>> {
  const found = new Map<string, Installed>();
  const missing: string[] = [];
  const places = [...from.map((folder) => join(resolve(folder), 'package.json')), import.meta.url];
  for (const name of [...VENDORS.map((vendor) => vendor.package), NAMES, KEYWORDS]) {
    const path = places.map((place) => manifestOf(name, place)).find((one) => one !== undefined);
    if (path === undefined) missing.push(name);
    else {
      const { version } = JSON.parse(await readFile(path, 'utf8')) as { version: string };
      found.set(name, { folder: dirname(path), version });
    }
  }
  if (missing.length > 0)
    throw new Error(`emoji: its drawings are in packages: npm install ${missing.join(' ')} sharp`);
  return found;
}

/** The package.json of a package as a module at a place finds it. */
function manifestOf(name: string, place: string): string | undefined {
  try {
    return createRequire(place).resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
}
