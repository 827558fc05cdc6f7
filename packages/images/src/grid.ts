import type { ByteImage } from './image';
import { checkAlike, checkImage } from './image';

/**
 * n images of one size as one image, row by row.
 * @param options.columns by default the number that makes the picture nearest to square, wider rather than taller
 * @param options.padding pixels between and around the images
 * @param options.background 0 … 255, what the padding and the cells left over show (alpha is opaque)
 * @throws RangeError if there is no image, or the images differ in size or channels
 */
export function imageGrid(
  images: readonly ByteImage[],
  { columns, padding = 2, background = 0 }: { columns?: number; padding?: number; background?: number } = {},
): ByteImage {
  checkAlike(images, 'imageGrid');
  const { width: w, height: h, channels } = images[0];
  const across = columns ?? Math.min(images.length, Math.ceil(Math.sqrt((images.length * h) / w)));
  if (!Number.isSafeInteger(across) || across < 1)
    throw new RangeError(`imageGrid: columns must be a whole number of at least 1, got ${columns}`);
  if (!Number.isSafeInteger(padding) || padding < 0)
    throw new RangeError(`imageGrid: padding must be a whole number of at least 0, got ${padding}`);
  const width = padding + across * (w + padding);
  const height = padding + Math.ceil(images.length / across) * (h + padding);
  const data = new Uint8Array(width * height * channels).fill(background);
  if (channels === 4) for (let i = 3; i < data.length; i += 4) data[i] = 255;
  images.forEach((image, i) => {
    const left = padding + (i % across) * (w + padding);
    const top = padding + Math.floor(i / across) * (h + padding);
    for (let y = 0; y < h; y++) {
      data.set(image.data.subarray(y * w * channels, (y + 1) * w * channels), ((top + y) * width + left) * channels);
    }
  });
  return { width, height, channels, data };
}

/**
 * Every pixel as a square of `factor` × `factor` (nearest neighbour), to look at small images.
 * @throws RangeError unless `factor` is a whole number of at least 1
 */
export function enlarge(image: ByteImage, factor: number): ByteImage {
  checkImage(image, 'enlarge');
  if (!Number.isSafeInteger(factor) || factor < 1)
    throw new RangeError(`enlarge: factor must be a whole number of at least 1, got ${factor}`);
  const { width: w, height: h, channels: c } = image;
  const data = new Uint8Array(w * h * c * factor * factor);
  const stride = w * factor * c;
  for (let y = 0; y < h; y++) {
    const start = y * factor * stride;
    for (let x = 0; x < w; x++) {
      const pixel = image.data.subarray((y * w + x) * c, (y * w + x + 1) * c);
      for (let k = 0; k < factor; k++) data.set(pixel, start + (x * factor + k) * c);
    }
    for (let k = 1; k < factor; k++) data.copyWithin(start + k * stride, start, start + stride);
  }
  return { width: w * factor, height: h * factor, channels: c, data };
}
