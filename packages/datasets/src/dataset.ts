// @ddpm/images has the same, but is bundled, and its declarations are not shipped with this package.
/** 1 gray, 3 RGB, 4 RGBA. */
export type Channels = 1 | 3 | 4;

/** Images of one shape, by number. What trains a network needs nothing else, so anything can be a dataset. */
export interface Dataset {
  /** How many images. */
  readonly size: number;
  /** 1 gray, 3 RGB or 4 RGBA channels. */
  readonly shape: readonly [h: number, w: number, c: number];
  /** Image i as h · w · c bytes: rows from the top, channels last. Not to be written to. */
  image(i: number): Uint8Array | Promise<Uint8Array>;
  /** The class of image i, if the images have classes. */
  label?(i: number): number;
  /** Names of classes 0, 1, … */
  readonly classNames?: readonly string[];
  /** The captions of image i, one or several, if the images have some. */
  captions?(i: number): readonly string[];
  /** Makes tokens of captions, if a network shall be given some; see `withTokens`. */
  readonly tokenizer?: Tokenizer;
  /** Says something of captions, if a network shall be given that; see `withEncodedCaptions`. */
  readonly captionEncoder?: CaptionEncoder;
  /** Stands for images in examples, such as an autoencoder's latents, where a network shall be given that. */
  readonly encoded?: Encoded;
}

/** Arrays that stand for images. */
export interface Encoded {
  /** The shape of one. */
  readonly item: readonly [h: number, w: number, c: number];
  /** The values of that of image i, or of the mirrored image. */
  read(i: number, options: { readonly mirrored: boolean }): Promise<Float32Array>;
}

/** Says of a caption what a network is told in place of tokens. */
export interface CaptionEncoder {
  /** Positions of a caption, padding included. */
  readonly length: number;
  /** Features of each. */
  readonly features: number;
  /** [length, features], with zeros where there is padding, and [length], 1 where there is none. */
  read(caption: string): Promise<{ readonly text: Float32Array; readonly present: Float32Array }>;
}

/** Makes of a caption as many tokens as of every other. */
export interface Tokenizer {
  /** How many tokens. */
  readonly length: number;
  /** Their ids. */
  encode(caption: string): Int32Array;
}

/**
 * A dataset in memory.
 * @param options.pixels the images one after another
 * @param options.shape of one image, [h, w, c]
 * @param options.labels a class for each image
 * @param options.classNames names of classes 0, 1, …
 * @throws RangeError if the lengths do not fit the shape
 */
export function arrayDataset({
  pixels,
  shape,
  labels,
  classNames,
}: {
  pixels: Uint8Array;
  shape: readonly [h: number, w: number, c: number];
  labels?: ArrayLike<number>;
  classNames?: readonly string[];
}): Dataset {
  const bytes = shape[0] * shape[1] * shape[2];
  const size = pixels.length / bytes;
  if (!Number.isInteger(size))
    throw new RangeError(`dataset: ${pixels.length} bytes are not a whole number of ${shape.join('×')} images`);
  if (labels && labels.length !== size) throw new RangeError(`dataset: ${size} images, but ${labels.length} labels`);
  if (labels && classNames) {
    for (let i = 0; i < size; i++) {
      if (!(labels[i] < classNames.length))
        throw new RangeError(`dataset: label ${i} is ${labels[i]}, but there are ${classNames.length} classes`);
    }
  }
  return {
    size,
    shape,
    image: (i) => pixels.subarray(i * bytes, (i + 1) * bytes),
    ...(labels && { label: (i: number) => labels[i] }),
    ...(classNames && { classNames }),
  };
}
