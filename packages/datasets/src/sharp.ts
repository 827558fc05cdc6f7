import type { ByteImage } from '@ddpm/images';
import type { Metadata, Sharp, SharpInput, SharpOptions } from 'sharp';
import type { Channels } from './dataset';
import { firstLine } from './errors';

type SharpFactory = (input: SharpInput, options?: SharpOptions) => Sharp;

/**
 * As Pillow reads: colours are what the file says, whatever profile it has, and what can be read in spite of small
 * faults is read.
 */
const OPTIONS: SharpOptions = { ignoreIcc: true, failOn: 'error' };

/** sharp, which a person installs only if some image needs it. */
async function loadSharp(): Promise<SharpFactory> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const reason = absent ? '' : ` (installed, but it does not load: ${firstLine(error)})`;
    throw new Error(`all pictures but PNG need sharp: npm install sharp${reason}`, { cause: error });
  }
}

/** Width and height as drawn (after the rotation that a camera asks for), and channels. */
export async function readHeaderWithSharp(
  path: string,
): Promise<{ width: number; height: number; channels: Channels }> {
  const sharp = await loadSharp();
  const metadata = await sharp(path, OPTIONS).metadata();
  checkSamples(metadata);
  const { autoOrient, hasAlpha, channels, format, pages = 1 } = metadata;
  // A GIF has alpha if any of its frames has; only the first is read.
  const opaque = hasAlpha && format === 'gif' && pages > 1 && (await sharp(path, OPTIONS).stats()).isOpaque;
  return {
    width: autoOrient.width,
    height: autoOrient.height,
    channels: hasAlpha && !opaque ? 4 : channels === 1 ? 1 : 3,
  };
}

/** The first picture of a file's bytes, the way up that it is to be seen, as RGB or RGBA; of 16 bits the upper 8. */
export async function decodeWithSharp(bytes: Uint8Array): Promise<ByteImage> {
  const sharp = await loadSharp();
  const picture = sharp(bytes, OPTIONS);
  const inks = (await picture.metadata()).space === 'cmyk';
  const colours = inks ? picture.pipelineColourspace('cmyk').toColourspace('cmyk') : picture.toColourspace('srgb');
  const { data, info } = await colours.autoOrient().raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return { width, height, ...(inks ? fromCmyk(data, channels) : { channels: channels as Channels, data }) };
}

function checkSamples({ depth }: Metadata): void {
  if (depth !== 'uchar' && depth !== 'ushort')
    throw new RangeError(`its samples are ${depth}, expected whole numbers of at most 16 bits`);
}

/**
 * Each light is what its ink and the black ink let through: Pillow's `convert('RGB')`, which knows nothing of real
 * inks.
 */
function fromCmyk(cmyk: Uint8Array, channels: number): { channels: 3; data: Uint8Array } {
  const pixels = cmyk.length / channels;
  const data = new Uint8Array(3 * pixels);
  for (let p = 0; p < pixels; p++) {
    const light = 255 - cmyk[channels * p + 3];
    for (let k = 0; k < 3; k++) {
      const product = light * cmyk[channels * p + k] + 128;
      data[3 * p + k] = light - ((product + (product >> 8)) >> 8);
    }
  }
  return { channels: 3, data };
}

/**
 * An SVG or a picture at `size` × `size`, RGB on white.
 * @param options.width the width that an SVG is drawn for, in its own units
 */
export async function renderOnWhite(
  bytes: Uint8Array,
  { size, width }: { size: number; width?: number },
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  // Rendered at twice the size at least, and then made small, so that edges are smooth.
  const density = width === undefined ? undefined : (72 * Math.max(128, 2 * size)) / width;
  const picture = sharp(bytes, { ...OPTIONS, ...(density !== undefined && { density }) });
  return picture
    .resize(size, size, { fit: 'contain', background: { r: 255, g: 255, b: 255, alpha: 0 } })
    .flatten({ background: 'white' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer();
}
