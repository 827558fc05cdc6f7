import type { Autoencoder } from '@ddpm/autoencoder';
import type { Checkpoint, LoadNetworkOptions } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Moments, Network } from '@ddpm/diffusion';
import { inpainting, superResolution } from '@ddpm/diffusion';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { Clip } from '@ddpm/text';
import type { Variables } from '@ddpm/train';
import type { AutoencoderParts } from './latents';
import { mergeUpdates } from './lora';
import type { DenoiserMeaning } from './meaning';
import { meaningFromJson } from './meaning';
import { momentsFromMeasured } from './prior';
import type { TextEncoder } from './text-encoder';

/** A denoiser, ready to draw with. */
export interface Denoiser extends DenoiserMeaning {
  /** With its weights. */
  readonly network: Network;
  /** Its variables by name, as in the checkpoint: `denoiser.initConv.weight`. */
  readonly parameters: Variables;
  /** The autoencoder of its `latents`, if it works on some. */
  readonly autoencoder?: AutoencoderParts;
  /** Mean and covariance of the images that it was trained on, if they were measured. */
  readonly moments?: Moments;
  /** Makes its conditions `text` and `present` of captions, once `withTextEncoder` has opened it. */
  readonly textEncoder?: TextEncoder;
  /** The CLIP whose vectors it decodes, if it does. */
  readonly encoder?: Clip;
}

/**
 * The denoiser that a checkpoint holds, its low-rank updates merged, if there are some.
 * @param options.apart whether updates are left out
 * @param options where its network is looked up
 * @throws Error in one line that says what of the checkpoint is not as expected
 */
export async function loadDenoiser(
  { networks, meaning, weights, measured }: Partial<Checkpoint> & Pick<Checkpoint, 'networks' | 'meaning' | 'weights'>,
  { apart = false, ...options }: LoadNetworkOptions & { apart?: boolean } = {},
): Promise<Denoiser> {
  const { lora, ...known } = meaningFromJson(meaning);
  if (!Object.hasOwn(networks, 'denoiser'))
    throw new Error(`it has no denoiser, but only ${Object.keys(networks).join(', ') || 'no network'}`);
  const loaded = await loadNetwork<Network>(networks.denoiser, options);
  const network = known.lowRes ? superResolution(loaded) : known.inpainting ? inpainting(loaded) : loaded;
  if (known.clip && !Object.hasOwn(networks, 'clip')) throw new Error('it decodes the vectors of a CLIP, and has none');
  const encoder = known.clip ? await loadNetwork<Clip>(networks.clip, options) : undefined;
  const of = (...parts: readonly string[]) =>
    new Map([...weights].filter(([name]) => parts.some((part) => name.startsWith(part))));
  loadParameters({ denoiser: network, ...(encoder && { clip: encoder }) }, of('denoiser.', 'clip.'));
  if (lora && !apart) mergeUpdates(network, weights, lora);
  const autoencoder = known.latents && (await autoencoderOf({ networks, weights: of('autoencoder.') }, options));
  const moments = momentsFromMeasured(measured, known.image);
  return {
    ...known,
    network,
    parameters: namedParameters({ denoiser: network }),
    ...(moments && { moments }),
    ...(encoder && { encoder }),
    ...(autoencoder && { autoencoder }),
  };
}

/** The autoencoder that a checkpoint holds beside the denoiser. */
async function autoencoderOf(
  { networks, weights }: Pick<Checkpoint, 'networks' | 'weights'>,
  options: LoadNetworkOptions,
): Promise<AutoencoderParts> {
  if (!Object.hasOwn(networks, 'autoencoder')) throw new Error('it works on latents, and has no autoencoder');
  const network = await loadNetwork<Autoencoder>(networks.autoencoder, options);
  loadParameters({ autoencoder: network }, weights);
  return { network, parameters: namedParameters({ autoencoder: network }) };
}
