import type { NetworkReference } from './format';

/** Where networks are looked up. */
export interface LoadNetworkOptions {
  /** The run folder that the reference's folder is relative to. */
  run?: string;
  /** Folders or files from which packages are looked up, in turn, after the current folder and the run folder. */
  bases?: readonly string[];
  /**
   * How to import packages, by their names, before they are looked up anywhere: for bundles and pages, such as
   * `{ '@ddpm/adm': () => import('@ddpm/adm') }`.
   */
  packages?: Readonly<Record<string, () => Promise<{ default?: unknown }>>>;
}

/**
 * A network, by the default export of its module.
 * @throws Error in one line if there is no such function, or it returns no object with `apply`
 */
export async function makeNetwork<Network extends { apply: unknown }>(
  { name, options }: NetworkReference,
  module: { default?: unknown },
): Promise<Network> {
  const fail = (what: string, cause?: unknown): never => {
    throw new Error(`network ${name} ${what}`, { cause });
  };
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

export const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];
