import { withChannels } from '@ddpm/images';
import type { Channels, Dataset } from './dataset';
import { resizeToCover } from './resize';
import type { Shape, Size } from './shape';

/**
 * Puts the image in the middle of a larger one of zeros; pixels are kept exactly. An odd row or column goes below or to
 * the right.
 * @param pixels h · w · c bytes
 * @param shape of the image, [h, w, c]
 * @param size of the result, [h, w]
 * @throws RangeError if the image is larger than `size`
 */
export function pad(pixels: Uint8Array, [h, w, c]: Shape, [height, width]: Size): Uint8Array {
  if (h > height || w > width) throw new RangeError(`pad: a ${h}×${w} image is larger than ${height}×${width}`);
  const out = new Uint8Array(height * width * c);
  const [top, left] = [Math.floor((height - h) / 2), Math.floor((width - w) / 2)];
  for (let y = 0; y < h; y++) out.set(pixels.subarray(y * w * c, (y + 1) * w * c), ((top + y) * width + left) * c);
  return out;
}

/**
 * The middle of the image; pixels are kept exactly.
 * @param pixels h · w · c bytes
 * @param shape of the image, [h, w, c]
 * @param size of the result, [h, w]
 * @throws RangeError if the image is smaller than `size`
 */
export function crop(pixels: Uint8Array, [h, w, c]: Shape, [height, width]: Size): Uint8Array {
  if (h < height || w < width) throw new RangeError(`crop: a ${h}×${w} image is smaller than ${height}×${width}`);
  const out = new Uint8Array(height * width * c);
  const [top, left] = [Math.floor((h - height) / 2), Math.floor((w - width) / 2)];
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * w + left) * c;
    out.set(pixels.subarray(from, from + width * c), y * width * c);
  }
  return out;
}

/**
 * How an image becomes another size: scaled to cover it with what sticks out cut off, or exact pixels, padded or cut to
 * the middle.
 */
export type Fit = 'resize' | 'pad' | 'crop';

/** Brings one image to a size. */
export function fitImage(pixels: Uint8Array, [h, w, c]: Shape, [height, width]: Size, fit: Fit): Uint8Array {
  if (h === height && w === width) return pixels;
  if (fit === 'pad') return pad(pixels, [h, w, c], [height, width]);
  if (fit === 'crop') return crop(pixels, [h, w, c], [height, width]);
  return resizeToCover(pixels, [h, w, c], [height, width]);
}

/**
 * The same dataset with images of another size or number of channels, changed as they are asked for.
 * @param options.size [h, w]; by default the dataset's
 * @param options.channels by default the dataset's
 * @param options.fit how they get to the size
 * @throws RangeError if the images are too large to pad, or too small to crop
 */
export function fitted(
  dataset: Dataset,
  { size, channels, fit = 'resize' }: { size?: Size; channels?: Channels; fit?: Fit },
): Dataset {
  const [h, w, c] = dataset.shape;
  const [height, width] = size ?? [h, w];
  const target = channels ?? c;
  if (height === h && width === w && target === c) return dataset;
  if (fit === 'pad' && (h > height || w > width))
    throw new RangeError(`pad: ${h}×${w} images are larger than ${height}×${width}`);
  if (fit === 'crop' && (h < height || w < width))
    throw new RangeError(`crop: ${h}×${w} images are smaller than ${height}×${width}`);
  const change = (pixels: Uint8Array) => {
    const image = { width, height, channels: c as Channels, data: fitImage(pixels, [h, w, c], [height, width], fit) };
    return withChannels(image, target as Channels).data;
  };
  const { size: count, classNames, tokenizer } = dataset;
  return {
    size: count,
    shape: [height, width, target],
    ...(dataset.label && { label: (i: number) => dataset.label!(i) }),
    ...(dataset.captions && { captions: (i: number) => dataset.captions!(i) }),
    ...(classNames && { classNames }),
    ...(tokenizer && { tokenizer }),
    image: (i) => {
      const pixels = dataset.image(i);
      return 'then' in pixels ? pixels.then(change) : change(pixels);
    },
  };
}
