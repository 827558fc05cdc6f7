import type { SharpInput, SharpOptions, Sharp } from 'sharp';
import type { Channels } from './dataset';
import { firstLine } from './errors';
import type { ImageHeader } from './folder';

type SharpFactory = (input: SharpInput, options?: SharpOptions) => Sharp;

/** sharp, which a person installs only if some image needs it. */
async function loadSharp(): Promise<SharpFactory> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const reason = absent ? '' : ` (installed, but it does not load: ${firstLine(error)})`;
    throw new Error(`JPEG and WebP images and resizing need sharp: npm install sharp${reason}`, { cause: error });
  }
}

/** Width and height as drawn (after the rotation that a camera asks for), and channels. */
export async function readHeaderWithSharp(path: string): Promise<ImageHeader> {
  const sharp = await loadSharp();
  const { autoOrient, hasAlpha, channels } = await sharp(path).metadata();
  return { width: autoOrient.width, height: autoOrient.height, channels: hasAlpha ? 4 : channels === 1 ? 1 : 3 };
}

/** The image as bytes; alpha that goes is blended over white. With `cover` it is scaled to cover that size, and what sticks out cut off. */
export async function decodeWithSharp(
  path: string,
  { channels, cover }: { channels: Channels; cover?: readonly [h: number, w: number] },
): Promise<{ width: number; height: number; data: Uint8Array }> {
  const sharp = await loadSharp();
  let image = sharp(path).autoOrient();
  if (cover) image = image.resize({ height: cover[0], width: cover[1], fit: 'cover', kernel: 'cubic' });
  image = channels === 4 ? image.ensureAlpha() : image.flatten({ background: '#fff' });
  const { data, info } = await image
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}
