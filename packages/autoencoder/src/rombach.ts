import { Random } from '@ddpm/random';
import type { Sizes } from './encoder';

/** Options that `AutoencoderKl` and `AutoencoderVq` have in common, by diffusers' words. */
export interface RombachOptions {
  /** Channels of the images; 3 by default. */
  imageChannels?: number;
  /** Each level's channels, from full size down; the latents are 2^(levels − 1) times smaller. */
  blockOutChannels: readonly number[];
  /** Residual blocks of a level of the encoder, and one less than the decoder's; 1 by default. */
  layersPerBlock?: number;
  /** Groups of the norms, which must divide every level's channels; 32 by default. */
  normNumGroups?: number;
  /** Whether there is attention in the middle; true by default. */
  midBlockAddAttention?: boolean;
  /** See `Autoencoder`; 0.18215 by default, as in diffusers. */
  scalingFactor?: number;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** @throws RangeError if the options do not fit together; the message names the numbers. */
export function sizesOf(
  who: string,
  {
    imageChannels = 3,
    blockOutChannels,
    layersPerBlock = 1,
    normNumGroups = 32,
    midBlockAddAttention = true,
    seed = 0,
  }: Omit<RombachOptions, 'scalingFactor'>,
  latentChannels: number,
): Sizes {
  for (const [name, size] of Object.entries({ imageChannels, latentChannels, layersPerBlock, normNumGroups }))
    if (!Number.isSafeInteger(size) || size < 1)
      throw new RangeError(`${who}: ${name} must be a whole number of at least 1, got ${size}`);
  const unfit = blockOutChannels.filter((width) => !(width >= 1) || width % normNumGroups !== 0);
  if (blockOutChannels.length === 0) throw new RangeError(`${who}: blockOutChannels must name at least one level`);
  if (unfit.length > 0)
    throw new RangeError(
      `${who}: normNumGroups (${normNumGroups}) must divide all of blockOutChannels, but not so ${unfit.join(', ')}`,
    );
  return {
    ...{ imageChannels, latentChannels, layersPerBlock },
    widths: blockOutChannels,
    attention: midBlockAddAttention,
    groups: normNumGroups,
    rng: new Random(seed),
  };
}

/** @throws RangeError if there are options of other names */
export function checkNames(who: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new RangeError(`${who}: there is no option ${unknown.join(', ')}`);
}

export const rombachNames: readonly string[] = [
  ...['imageChannels', 'blockOutChannels', 'layersPerBlock', 'latentChannels', 'normNumGroups'],
  ...['midBlockAddAttention', 'scalingFactor', 'seed'],
];
