import type { NetworkReference } from './format';
import type { LoadNetworkOptions } from './make-network';
import { makeNetwork } from './make-network';

/* For pages, which have no files. */

export { decodeCheckpoint, encodeCheckpoint } from './format';
export type { Checkpoint, JsonObject, NetworkReference } from './format';
export type { LoadNetworkOptions } from './make-network';

/**
 * Rebuilds a network of one of the packages that it is given.
 * @throws Error in one line if it is another's, or does not accept the options
 */
export async function loadNetwork<Network extends { apply: unknown }>(
  reference: NetworkReference,
  { packages = {} }: LoadNetworkOptions = {},
): Promise<Network> {
  const { name } = reference;
  if (!Object.hasOwn(packages, name))
    throw new Error(
      `network ${name} is not known in this page, but only ${Object.keys(packages).join(', ') || 'none'}`,
    );
  return makeNetwork<Network>(reference, await packages[name]());
}
