import { withChannels } from '@ddpm/images';
import type { Channels } from './dataset';
import { firstLine } from './errors';
import { inspect } from './picture';
import { fitImage } from './transform';

/**
 * One picture as an image of a dataset: PNG, and with sharp installed what `openFolder` reads beside, scaled to cover
 * the size, with what sticks out cut off.
 * @param options.shape [h, w, c] to bring it to
 * @returns its bytes, and the size that it had
 * @throws Error, one line that names the file: it cannot be read, or is no picture
 */
export async function readPicture(
  path: string,
  { shape: [height, width, channels] }: { shape: readonly [h: number, w: number, c: number] },
): Promise<{ readonly pixels: Uint8Array; readonly height: number; readonly width: number }> {
  try {
    const picture = await inspect(path);
    if (!('read' in picture)) throw new Error('this is no picture (PNG, JPEG, WebP, GIF, TIFF, AVIF)');
    const image = withChannels(await picture.read(), channels as Channels);
    const pixels = fitImage(image.data, [image.height, image.width, channels], [height, width], 'resize');
    return { pixels, height: image.height, width: image.width };
  } catch (error) {
    const line = firstLine(error);
    throw new Error(line.includes(path) ? line : `${path}: ${line}`, { cause: error });
  }
}
