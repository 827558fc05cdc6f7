import type { ByteImage, Channels } from './image';

/** [−1, 1] → 0 … 255, clamped and rounded; NaN becomes 0. The inverse of `fromBytes` on every byte. */
export function toBytes(values: ArrayLike<number>): Uint8Array {
  // A clamped array clamps and rounds by itself.
  const out = new Uint8ClampedArray(values.length);
  for (let i = 0; i < out.length; i++) out[i] = (values[i] + 1) * 127.5;
  return new Uint8Array(out.buffer);
}

/** 0 … 255 → [−1, 1]: b / 127.5 − 1. */
export function fromBytes(bytes: ArrayLike<number>): Float32Array {
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < out.length; i++) out[i] = bytes[i] / 127.5 - 1;
  return out;
}

/**
 * The images of a batch in [−1, 1], as bytes.
 * @param values [n, h, w, c], c = 1, 3 or 4
 * @param shape [n, h, w, c]
 * @throws RangeError if `values` does not have that shape
 */
export function toImages(
  values: ArrayLike<number>,
  [n, h, w, c]: readonly [n: number, h: number, w: number, c: number],
): ByteImage[] {
  if (c !== 1 && c !== 3 && c !== 4) throw new RangeError(`toImages: channels must be 1, 3 or 4, got ${c}`);
  if (values.length !== n * h * w * c) {
    throw new RangeError(
      `toImages: shape [${n}, ${h}, ${w}, ${c}] holds ${n * h * w * c} values, got ${values.length}`,
    );
  }
  const bytes = toBytes(values);
  const size = h * w * c;
  return Array.from({ length: n }, (_, i) => ({
    width: w,
    height: h,
    channels: c,
    data: bytes.subarray(i * size, (i + 1) * size),
  }));
}

/**
 * RGBA bytes of an image, `height · width · 4`: gray is repeated, and without alpha it is opaque.
 * @param image of 1, 3 or 4 channels
 */
export function toRgba({ width, height, channels, data }: ByteImage): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(width * height * 4);
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  for (let p = 0; p < width * height; p++) {
    const from = p * channels;
    out[4 * p] = data[from];
    out[4 * p + 1] = data[from + green];
    out[4 * p + 2] = data[from + blue];
    out[4 * p + 3] = channels === 4 ? data[from + 3] : 255;
  }
  return out;
}

/**
 * The same image with another number of channels: gray is repeated, colour becomes luma (ITU-R BT.601, with the weights
 * of Pillow's `convert('L')` to the bit), a new alpha is opaque, and an alpha that goes is blended over the background.
 * @param options.background 0 … 255
 */
export function withChannels(image: ByteImage, channels: Channels, { background = 255 } = {}): ByteImage {
  if (image.channels === channels) return image;
  const rgba = toRgba(image);
  if (channels === 4) return { ...image, channels, data: new Uint8Array(rgba.buffer) };
  const data = new Uint8ClampedArray(image.width * image.height * channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += channels) {
    const alpha = rgba[from + 3] / 255;
    const behind = (1 - alpha) * background;
    const r = Math.round(alpha * rgba[from] + behind);
    const g = Math.round(alpha * rgba[from + 1] + behind);
    const b = Math.round(alpha * rgba[from + 2] + behind);
    if (channels === 1) {
      // 0.299 r + 0.587 g + 0.114 b
      data[to] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
    } else {
      data[to] = r;
      data[to + 1] = g;
      data[to + 2] = b;
    }
  }
  return { ...image, channels, data: new Uint8Array(data.buffer) };
}

/** The browser's ImageData where there is one. */
type CanvasImageData = typeof globalThis extends { ImageData: { prototype: infer T } } ? T : unknown;

/**
 * The pixels for `canvasContext.putImageData`.
 * @throws TypeError outside a browser
 */
export function toImageData(image: ByteImage): CanvasImageData {
  const { ImageData } = globalThis as {
    ImageData?: new (data: Uint8ClampedArray, width: number, height: number) => CanvasImageData;
  };
  if (!ImageData) throw new TypeError('toImageData: ImageData exists only in a browser; use toRgba');
  return new ImageData(toRgba(image), image.width, image.height);
}
