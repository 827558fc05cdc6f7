import type { Autoencoder } from '@ddpm/autoencoder';
import type { Checkpoint, JsonObject, LoadNetworkOptions } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { Variables } from '@ddpm/train';
import { z } from 'zod';

const size = z.int().positive();
const schema = z.strictObject({
  task: z.literal('autoencoding', { error: 'expected autoencoding' }),
  image: z.tuple([size, size, size]),
});

/** The images of an autoencoder. */
export interface AutoencoderMeaning {
  /** Their shape. */
  readonly image: readonly [h: number, w: number, c: number];
}

/** An autoencoder, ready to use. */
export interface LoadedAutoencoder extends AutoencoderMeaning {
  /** With its weights. */
  readonly network: Autoencoder;
  /** Its variables by name, as in the checkpoint: `autoencoder.encoder.convIn.weight`. */
  readonly parameters: Variables;
}

/** An autoencoder's meaning as a checkpoint holds it. */
export const autoencoderMeaningToJson = ({ image }: AutoencoderMeaning): JsonObject => ({
  task: 'autoencoding',
  image: [...image],
});

/**
 * The autoencoder that a checkpoint holds.
 * @param options where its network is looked up
 * @throws Error in one line that says what of the checkpoint is not as expected
 */
export async function loadAutoencoder(
  { networks, meaning, weights }: Checkpoint,
  options: LoadNetworkOptions = {},
): Promise<LoadedAutoencoder> {
  const result = schema.safeParse(meaning);
  if (!result.success) {
    const [{ path, message }] = result.error.issues;
    throw new Error(`its meaning is not that of an autoencoder: ${[...path, message].join(': ')}`);
  }
  if (!Object.hasOwn(networks, 'autoencoder'))
    throw new Error(`it has no autoencoder, but only ${Object.keys(networks).join(', ') || 'no network'}`);
  const network = await loadNetwork<Autoencoder>(networks.autoencoder, options);
  loadParameters({ autoencoder: network }, weights);
  return { image: result.data.image, network, parameters: namedParameters({ autoencoder: network }) };
}
