import type { Autoencoder } from './autoencoder';
import type { AutoencoderKlOptions } from './autoencoder-kl';
import { AutoencoderKl } from './autoencoder-kl';
import type { AutoencoderTinyOptions } from './autoencoder-tiny';
import { AutoencoderTiny } from './autoencoder-tiny';
import type { AutoencoderVqOptions } from './autoencoder-vq';
import { AutoencoderVq } from './autoencoder-vq';
import { autoencoderFromConfig } from './diffusers';

/** A kind of autoencoder, and the options of its class; or the `config.json` of one of diffusers'. */
export type AutoencoderOptions =
  | { readonly config: Readonly<Record<string, unknown>> }
  | ({ kind: 'kl' } & AutoencoderKlOptions)
  | ({ kind: 'vq' } & AutoencoderVqOptions)
  | ({ kind: 'tiny' } & AutoencoderTinyOptions);

const kinds = { kl: AutoencoderKl, vq: AutoencoderVq, tiny: AutoencoderTiny };

/**
 * A network package's default export makes its network from options. The trainer gives the images' `channels` and the
 * `seed`.
 * @throws RangeError if there is no such kind, or its options do not fit together
 */
export default function createNetwork(given: AutoencoderOptions & { channels?: number }): Autoencoder {
  if ('config' in given) return autoencoderFromConfig(given.config);
  const { kind, channels, ...options } = given;
  if (!Object.hasOwn(kinds, kind))
    throw new RangeError(
      `autoencoder: kind must be one of ${Object.keys(kinds).join(', ')}, got ${JSON.stringify(kind)}`,
    );
  const Kind = kinds[kind] as new (options: object) => Autoencoder;
  return new Kind({ ...options, imageChannels: options.imageChannels ?? channels });
}
