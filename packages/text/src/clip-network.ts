import { Clip } from './clip';
import { TextTransformer } from './text-transformer';
import { VisionTransformer } from './vision-transformer';

/** Sizes of a CLIP of two transformers; those without a default are needed. */
export interface ClipOptions {
  /** Height and width of the images, a multiple of patchSize. */
  imageSize: number;
  /** Channels of the images; 3 by default. */
  channels?: number;
  /** Squares of so many pixels on a side are one position; 4 by default. */
  patchSize?: number;
  /** How many ids of tokens there are. */
  vocabularySize: number;
  /** Tokens of a caption, padding included. */
  length: number;
  /** Features of each position of both; 64 by default. */
  width?: number;
  /** How many blocks each has; 2 by default. */
  layers?: number;
  /** Heads of each block's attention; 4 by default. */
  heads?: number;
  /** Features of the vectors that are compared; 64 by default. */
  features?: number;
  /** Whether the images are noisy, and their encoder is told how much, as guidance needs it; false by default. */
  noised?: boolean;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/**
 * CLIP with a vision transformer, and a text transformer of causal attention that reads its last token (Radford et al.
 * 2021, §2.4).
 * @throws RangeError if the sizes do not fit together; the message names the numbers.
 */
export function createClip({
  imageSize,
  channels,
  patchSize = 4,
  vocabularySize,
  length,
  width = 64,
  layers = 2,
  heads = 4,
  features = 64,
  noised = false,
  seed = 0,
  ...unknown
}: ClipOptions): Clip {
  const strangers = Object.keys(unknown);
  if (strangers.length > 0) throw new RangeError(`createClip: there is no option ${strangers.join(', ')}`);
  const sizes = { width, layers, heads, outFeatures: features, seed };
  return new Clip({
    image: new VisionTransformer({ ...sizes, imageSize, imageChannels: channels, patchSize, noised }),
    text: new TextTransformer({ ...sizes, vocabularySize, length, causal: true }),
  });
}
