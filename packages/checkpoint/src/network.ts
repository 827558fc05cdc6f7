import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A network by the name of its package or file, with the options that its default export takes. */
export interface NetworkReference {
  /** A package such as `@ddpm/unet`, or a file such as `./my-network.mjs`. */
  readonly name: string;
  /** JSON. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Rebuilds a network: imports the package or file that it names and calls its default export with the options.
 * @param reference a relative name (`./my-network.mjs`) is a file beside the current folder
 * @param bases folders or files from which packages are looked up, in turn; the current folder is always the first
 * @throws Error in one line if it cannot be imported, has no default function, or that returns no object with `apply`.
 */
export async function loadNetwork<Network extends { apply: unknown }>(
  { name, options }: NetworkReference,
  bases: readonly string[] = [],
): Promise<Network> {
  const fail = (what: string, cause?: unknown): never => {
    throw new Error(`network ${name} ${what}`, { cause });
  };
  let module: { default?: unknown };
  try {
    module = (await import(locate(name, bases))) as { default?: unknown };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | null)?.code;
    const missing = code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND';
    return fail(
      missing ? `cannot be found: install it, or name a file by ./path (${firstLine(error)})` : `cannot be imported: ${firstLine(error)}`,
      error,
    );
  }
  const make = module.default;
  if (typeof make !== 'function') return fail('must export as its default a function from options to a network');
  let network: unknown;
  try {
    network = await (make as (options: unknown) => unknown)(options);
  } catch (error) {
    return fail(`does not accept ${JSON.stringify(options)}: ${firstLine(error)}`, error);
  }
  if (typeof (network as { apply?: unknown } | null | undefined)?.apply !== 'function')
    return fail('must return an object with a function apply(xt, t)');
  return network as Network;
}

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];

function locate(name: string, bases: readonly string[]): string {
  if (/^\.{0,2}[\\/]/.test(name) || /^[A-Za-z]:/.test(name)) return pathToFileURL(resolve(name)).href;
  for (const base of [join(process.cwd(), 'package.json'), ...bases]) {
    try {
      return pathToFileURL(createRequire(base).resolve(name)).href;
    } catch {
      // Packages may lie beside the next base.
    }
  }
  return name;
}
