import { Buffer } from 'node:buffer';
import type { PNGOptions } from 'pngjs';
import { PNG } from 'pngjs';
import { inflateSync } from 'node:zlib';
import { withChannels } from './bytes';
import type { ByteImage, Channels } from './image';
import { checkImage } from './image';
import type { PngChunk } from './png-chunks';
import { PNG_SIGNATURE, pngChunks } from './png-chunks';

const COLOR_TYPE = { 1: 0, 3: 2, 4: 6 } as const;

/**
 * A PNG file: gray, RGB or RGBA, 8 bits.
 * @throws RangeError if the image's data does not fit its shape
 */
export function encodePng(image: ByteImage): Uint8Array {
  checkImage(image, 'encodePng');
  const { width, height, channels } = image;
  const colorType = COLOR_TYPE[channels];
  const options: PNGOptions = { width, height, colorType, inputColorType: colorType };
  const png = Object.assign(new PNG(options), { data: Buffer.from(image.data) });
  return new Uint8Array(PNG.sync.write(png, options));
}

/** Size and kind of a PNG image, from the first 33 bytes of its file. */
export interface PngHeader {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /**
   * As drawn: a palette counts as 3, or 4 where the header alone says so; transparency given by a later chunk is not
   * seen.
   */
  readonly channels: Channels;
}

/**
 * Reads the size and kind of a PNG from its first 33 bytes.
 * @throws RangeError if they are not the start of a PNG file
 */
export function readPngHeader(bytes: Uint8Array): PngHeader {
  if (PNG_SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw new RangeError('PNG: not a PNG file (wrong signature)');
  if (bytes.length < 33) throw new RangeError(`PNG: truncated, ${bytes.length} bytes is less than a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height, colorType] = [view.getUint32(16), view.getUint32(20), bytes[25]];
  if (view.getUint32(8) !== 13 || view.getUint32(12) !== 0x49484452)
    throw new RangeError('PNG: the first chunk is not a header');
  if (width < 1 || height < 1)
    throw new RangeError(`PNG: sides must be at least 1, the header says ${width}×${height}`);
  if (![0, 2, 3, 4, 6].includes(colorType)) throw new RangeError(`PNG: unknown colour type ${colorType}`);
  return { width, height, channels: colorType >= 4 ? 4 : colorType === 0 ? 1 : 3 };
}

/**
 * Reads a PNG of any kind (gray, colour, palette, 1 to 16 bits, interlaced) into 8 bits; of 16 bits the upper 8 stay,
 * as in Pillow and libpng.
 * @param options.channels 1, 3 or 4, see `withChannels`; by default those of the file, where transparency of any kind
 * makes 4
 * @param options.maxPixels the largest width × height that is accepted, so that a small file cannot fill the memory
 * @throws RangeError with one line if the file is truncated, damaged or larger than that
 */
export function decodePng(
  bytes: Uint8Array,
  { channels, maxPixels = 2 ** 26 }: { channels?: Channels; maxPixels?: number } = {},
): ByteImage {
  const header = readPngHeader(bytes);
  const { width, height } = header;
  if (width * height > maxPixels) throw new RangeError(`PNG: ${width}×${height} is more than ${maxPixels} pixels`);
  const parts = pngChunks(bytes);
  // A second header would be the one that counts, whatever was checked of the first.
  if (parts.filter(({ type }) => type === 'IHDR').length > 1)
    throw new RangeError('PNG: damaged (it has more than one header)');
  const own = parts.some(({ type }) => type === 'tRNS') ? 4 : header.channels;
  let rgba: Uint8Array | Uint16Array;
  try {
    // pngjs does not bound what an interlaced file inflates to, and takes whatever lies in memory for pixels that are
    // missing.
    checkInflated(
      parts,
      filteredLength(header, { depth: bytes[24], colorType: bytes[25], interlaced: bytes[28] === 1 }),
    );
    // pngjs rounds 16 bits to 8, where other readers take the upper 8.
    const skipRescale = bytes[24] === 16;
    rgba = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { skipRescale }).data;
  } catch (error) {
    // pngjs says some things plainly; the rest, such as an index out of range, says something only of its own code.
    const plain = error instanceof Error && error.name === 'Error' && !error.message.includes('\n');
    throw new RangeError(`PNG: damaged or truncated (${plain ? error.message : 'the pixels cannot be inflated'})`, {
      cause: error,
    });
  }
  const image = withChannels({ width, height, channels: 4, data: inBytes(rgba) }, own);
  return channels ? withChannels(image, channels) : image;
}

const inBytes = (samples: Uint8Array | Uint16Array) =>
  samples.BYTES_PER_ELEMENT === 2
    ? Uint8Array.from(samples, (v) => v >> 8)
    : new Uint8Array(samples.buffer, samples.byteOffset, samples.length);

/** First column and row, and steps between columns and rows, of each pass of an interlaced picture (Adam7). */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * How many bytes the pixels of a picture are before compression: rows of whole bytes, each after one that names its
 * filter.
 */
function filteredLength(
  { width, height }: PngHeader,
  { depth, colorType, interlaced }: { depth: number; colorType: number; interlaced: boolean },
): number {
  const bits = depth * SAMPLES[colorType];
  const lengths = (interlaced ? PASSES : [[0, 0, 1, 1] as const]).map(([x, y, dx, dy]) => {
    const columns = Math.ceil((width - x) / dx);
    const rows = Math.ceil((height - y) / dy);
    return columns > 0 && rows > 0 ? rows * (1 + Math.ceil((columns * bits) / 8)) : 0;
  });
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** Throws unless the pixels of a file inflate to that many bytes. */
function checkInflated(parts: readonly PngChunk[], expected: number): void {
  const data = parts.filter(({ type }) => type === 'IDAT').map((part) => part.data);
  let length = Infinity;
  try {
    length = inflateSync(Buffer.concat(data), { maxOutputLength: expected }).length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
  }
  if (length !== expected)
    throw new Error(length < expected ? 'pixels are missing' : 'there are more pixels than its header says');
}
