import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NetworkReference } from './format';
import type { LoadNetworkOptions } from './make-network';
import { firstLine, makeNetwork } from './make-network';

/**
 * Rebuilds a network: imports the package or file that it names and calls its default export with the options.
 * @param reference a relative name (`./my-network.mjs`) is a file beside the reference's folder, or else the current
 * one
 * @throws Error in one line if it cannot be imported, has no default function, or that returns no object with `apply`.
 */
export async function loadNetwork<Network extends { apply: unknown }>(
  reference: NetworkReference,
  { run, bases = [], packages = {} }: LoadNetworkOptions = {},
): Promise<Network> {
  const { name } = reference;
  const fail = (what: string, cause?: unknown): never => {
    throw new Error(`network ${name} ${what}`, { cause });
  };
  let module: { default?: unknown };
  if (Object.hasOwn(packages, name)) {
    module = await packages[name]();
  } else if (isFile(name)) {
    const files = namedFrom(reference, run).map((folder) => resolve(folder, name));
    const file = files.find((path) => existsSync(path));
    if (file === undefined) return fail(`cannot be found: there is no ${files.join(' and no ')}`);
    module = await imported(pathToFileURL(file).href);
  } else {
    const places = [process.cwd(), ...(run === undefined ? [] : [run])].map((folder) => join(folder, 'package.json'));
    module = await imported(locatePackage(name, [...places, ...bases]) ?? name);
  }
  async function imported(url: string): Promise<{ default?: unknown }> {
    try {
      return (await import(url)) as { default?: unknown };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException | null)?.code;
      const missing = !isFile(name) && (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND');
      return fail(
        missing
          ? `cannot be found: install it, or name a file by ./path (${firstLine(error)})`
          : `cannot be imported: ${firstLine(error)}`,
        error,
      );
    }
  }
  return makeNetwork<Network>(reference, module);
}

/**
 * A reference as a checkpoint in the run folder holds it: with the folder that a file's relative name is named from.
 * @param run the run folder
 * @param before the reference that the run held until now, if it is resumed
 */
export function referenceIn<Reference extends NetworkReference>(
  run: string,
  reference: Reference,
  before?: NetworkReference,
): Reference {
  const { name } = reference;
  if (!isFile(name) || isAbsolute(name)) return reference;
  const folder =
    namedFrom({ ...reference, folder: before?.folder }, run).find((path) => existsSync(resolve(path, name))) ??
    process.cwd();
  return { ...reference, folder: relative(realpathSync(run), realpathSync(folder)).split(sep).join('/') };
}

const isFile = (name: string) => /^\.{0,2}[\\/]/.test(name) || /^[A-Za-z]:/.test(name);

/** The folders that a file's name may be relative to, the likelier first. */
function namedFrom({ name, folder }: NetworkReference, run: string | undefined): string[] {
  if (isAbsolute(name)) return ['/'];
  const recorded = run === undefined || folder === undefined ? [] : [resolve(realpathSync(run), folder)];
  return [...new Set([...recorded, process.cwd()])];
}

/** Where a package's code lies, as a URL, looked up from files or folders in turn; undefined where it is found by none. */
export function locatePackage(name: string, bases: readonly string[]): string | undefined {
  for (const base of bases) {
    try {
      return pathToFileURL(createRequire(resolve(base)).resolve(name)).href;
    } catch {
      // Packages may lie beside the next base.
    }
  }
  return undefined;
}
