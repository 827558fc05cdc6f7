import type { Shape, Size } from './shape';

/**
 * Weights are whole numbers of this many binary digits, as Pillow's are: 8 bits of a pixel and 2 of headroom are left
 * of 32.
 */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/**
 * Scales to `size` exactly, by Catmull–Rom interpolation (Keys 1981); when shrinking the kernel grows, so that nothing
 * aliases.
 * To the bit what Pillow's `resize(size, BICUBIC)` makes of the same pixels, up to its version 12.3; since 13 it may
 * scale the height first, which rounds in another order. Four channels are RGBA, whose colours count as much as they
 * are opaque.
 * @param pixels h · w · c bytes
 * @param shape of the image, [h, w, c]
 * @param size of the result, [h, w]
 */
export function resize(pixels: Uint8Array, shape: Shape, size: Size): Uint8Array {
  return resizePart(pixels, shape, size, [0, 0, shape[0], shape[1]]);
}

/**
 * Scales to cover `size`; what sticks out is cut off evenly, by parts of a pixel too. Pillow's `ImageOps.fit(size,
 * BICUBIC)`.
 */
export function resizeToCover(pixels: Uint8Array, [h, w, c]: Shape, [height, width]: Size): Uint8Array {
  const aspect = width / height;
  const [partHeight, partWidth] = w / h >= aspect ? [h, aspect * h] : [w / aspect, w];
  const [top, left] = [(h - partHeight) / 2, (w - partWidth) / 2];
  return resizePart(pixels, [h, w, c], [height, width], [top, left, top + partHeight, left + partWidth]);
}

/** Scales the part of the image from [top, left] to [bottom, right], in pixels that need not be whole. */
function resizePart(
  pixels: Uint8Array,
  [h, w, c]: Shape,
  [height, width]: Size,
  [top, left, bottom, right]: readonly [top: number, left: number, bottom: number, right: number],
): Uint8Array {
  const source = c === 4 ? premultiplied(pixels) : pixels;
  const rows = windows(h, [top, bottom], height);
  const wide = resizeRows(source, [h, w, c], windows(w, [left, right], width), [rows.first[0], rows.last[height - 1]]);
  const out = resizeColumns(wide, width * c, rows, rows.first[0]);
  return c === 4 ? unmultiplied(out) : out;
}

/**
 * Which values make each place of the result, from `first` to before `last`, and their weights one place after another.
 */
interface Windows {
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly weights: Int32Array;
  /** Where the weights of each place begin. */
  readonly at: Int32Array;
}

/** The windows of `to` places over the values from `start` to `end` of `length`. */
function windows(length: number, [start, end]: readonly [start: number, end: number], to: number): Windows {
  // Pillow keeps the ends as float32.
  const from = Math.fround(start);
  const scale = Math.fround(Math.fround(end) - from) / to;
  const stretch = Math.max(scale, 1);
  const [first, last, at] = [new Int32Array(to), new Int32Array(to), new Int32Array(to)];
  const weights: number[] = [];
  for (let place = 0; place < to; place++) {
    const center = from + (place + 0.5) * scale;
    first[place] = Math.max(0, Math.trunc(center - 2 * stretch + 0.5));
    last[place] = Math.min(length, Math.trunc(center + 2 * stretch + 0.5));
    at[place] = weights.length;
    const exact = Array.from({ length: last[place] - first[place] }, (_, i) =>
      catmullRom((i + first[place] - center + 0.5) / stretch),
    );
    const sum = exact.reduce((a, b) => a + b);
    for (const weight of exact) weights.push(roundAway((weight / sum) * 2 ** PRECISION));
  }
  return { first, last, at, weights: Int32Array.from(weights) };
}

/** To the nearest whole number, halves away from zero. */
const roundAway = (x: number) => Math.trunc(x + (x < 0 ? -0.5 : 0.5));

function catmullRom(x: number): number {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/** Rows from `start` to before `end`, each as wide as there are windows. */
function resizeRows(
  pixels: Uint8Array,
  [, w, c]: Shape,
  { first, last, at, weights }: Windows,
  [start, end]: readonly [start: number, end: number],
): Uint8Array {
  const width = first.length;
  const out = new Uint8Array((end - start) * width * c);
  let to = 0;
  for (let y = start; y < end; y++) {
    for (let x = 0; x < width; x++) {
      const stop = at[x] + last[x] - first[x];
      for (let k = 0; k < c; k++) {
        let sum = HALF;
        let from = (y * w + first[x]) * c + k;
        for (let i = at[x]; i < stop; i++, from += c) sum = (sum + Math.imul(weights[i], pixels[from])) | 0;
        out[to++] = toByte(sum);
      }
    }
  }
  return out;
}

/** As many rows of `row` bytes as there are windows, of an image that begins with row `start` of the whole. */
function resizeColumns(
  pixels: Uint8Array,
  row: number,
  { first, last, at, weights }: Windows,
  start: number,
): Uint8Array {
  const height = first.length;
  const out = new Uint8Array(height * row);
  const sums = new Int32Array(row);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let i = first[y]; i < last[y]; i++) {
      const weight = weights[at[y] + i - first[y]];
      const from = (i - start) * row;
      for (let x = 0; x < row; x++) sums[x] += Math.imul(weight, pixels[from + x]);
    }
    for (let x = 0; x < row; x++) out[y * row + x] = toByte(sums[x]);
  }
  return out;
}

function toByte(sum: number): number {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** Colours as much as they are opaque, so that what cannot be seen does not colour what is beside it. */
function premultiplied(rgba: Uint8Array): Uint8Array {
  const out = rgba.slice();
  for (let p = 0; p < out.length; p += 4) {
    for (let k = p; k < p + 3; k++) {
      const product = rgba[k] * rgba[p + 3] + 128;
      out[k] = (product + (product >> 8)) >> 8;
    }
  }
  return out;
}

/** The inverse, in place. */
function unmultiplied(rgba: Uint8Array): Uint8Array {
  for (let p = 0; p < rgba.length; p += 4) {
    const alpha = rgba[p + 3];
    if (alpha === 0 || alpha === 255) continue;
    for (let k = p; k < p + 3; k++) rgba[k] = Math.min(255, Math.trunc((255 * rgba[k]) / alpha));
  }
  return rgba;
}
