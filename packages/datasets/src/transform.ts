import { withChannels } from '@ddpm/images';
import type { Channels, Dataset } from './dataset';

type Size = readonly [h: number, w: number];
type Shape = readonly [h: number, w: number, c: number];

/**
 * Puts the image in the middle of a larger one of zeros; pixels are kept exactly. An odd row or column goes below or to the right.
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
 * Scales to `size` exactly, by Catmull–Rom interpolation (Keys 1981); when shrinking the kernel grows, so that nothing aliases.
 * @param pixels h · w · c bytes
 * @param shape of the image, [h, w, c]
 * @param size of the result, [h, w]
 */
export function resize(pixels: Uint8Array, [h, w, c]: Shape, [height, width]: Size): Uint8Array {
  const columns = kernels(w, width);
  const wide = new Float32Array(h * width * c);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = columns[x];
      for (let k = 0; k < c; k++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * pixels[(y * w + first + i) * c + k];
        wide[(y * width + x) * c + k] = sum;
      }
    }
  }
  const rows = kernels(h, height);
  const row = width * c;
  // A clamped array clamps and rounds by itself.
  const out = new Uint8ClampedArray(height * row);
  for (let y = 0; y < height; y++) {
    const { first, weights } = rows[y];
    for (let x = 0; x < row; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * wide[(first + i) * row + x];
      out[y * row + x] = sum;
    }
  }
  return new Uint8Array(out.buffer);
}

/** For each of `to` places, which of `from` values make it, and how much of each (Keys 1981, a = −1/2). */
function kernels(from: number, to: number): { first: number; weights: number[] }[] {
  const scale = Math.max(from / to, 1);
  return Array.from({ length: to }, (_, place) => {
    const center = ((place + 0.5) * from) / to;
    const first = Math.max(0, Math.round(center - 2 * scale));
    const last = Math.min(from, Math.round(center + 2 * scale));
    const weights = Array.from({ length: last - first }, (_, i) => catmullRom((first + i + 0.5 - center) / scale));
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function catmullRom(x: number): number {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/** How an image becomes another size: scaled to cover it with what sticks out cut off, or exact pixels, padded or cut to the middle. */
export type Fit = 'resize' | 'pad' | 'crop';

/** Brings one image to a size. */
export function fitImage(pixels: Uint8Array, [h, w, c]: Shape, [height, width]: Size, fit: Fit): Uint8Array {
  if (h === height && w === width) return pixels;
  if (fit === 'pad') return pad(pixels, [h, w, c], [height, width]);
  if (fit === 'crop') return crop(pixels, [h, w, c], [height, width]);
  const scale = Math.max(height / h, width / w);
  const cover: Size = [Math.max(height, Math.round(h * scale)), Math.max(width, Math.round(w * scale))];
  return crop(resize(pixels, [h, w, c], cover), [...cover, c], [height, width]);
}

/**
 * The same dataset with images of another size or number of channels, changed as they are asked for.
 * @param options.size [h, w]; by default the dataset's
 * @param options.channels by default the dataset's
 * @param options.fit how they get to the size
 * @throws RangeError if the images are too large to pad, or too small to crop
 */
export function fitted(dataset: Dataset, { size, channels, fit = 'resize' }: { size?: Size; channels?: Channels; fit?: Fit }): Dataset {
  const [h, w, c] = dataset.shape;
  const [height, width] = size ?? [h, w];
  const target = channels ?? c;
  if (height === h && width === w && target === c) return dataset;
  if (fit === 'pad' && (h > height || w > width)) throw new RangeError(`pad: ${h}×${w} images are larger than ${height}×${width}`);
  if (fit === 'crop' && (h < height || w < width)) throw new RangeError(`crop: ${h}×${w} images are smaller than ${height}×${width}`);
  const change = (pixels: Uint8Array) => {
    const image = { width, height, channels: c as Channels, data: fitImage(pixels, [h, w, c], [height, width], fit) };
    return withChannels(image, target as Channels).data;
  };
  const { size: count, classNames } = dataset;
  return {
    size: count,
    shape: [height, width, target],
    ...(dataset.label && { label: (i: number) => dataset.label!(i) }),
    ...(classNames && { classNames }),
    image: (i) => {
      const pixels = dataset.image(i);
      return pixels instanceof Uint8Array ? change(pixels) : pixels.then(change);
    },
  };
}
