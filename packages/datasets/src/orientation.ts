import type { ByteImage } from '@ddpm/images';

/**
 * How an EXIF block says that a picture is to be turned, 1 … 8; 1, as it is, where it does not say (TIFF 6.0, section
 * 8).
 */
export function exifOrientation(exif: Uint8Array): number {
  const text = (at: number, length: number) => String.fromCharCode(...exif.subarray(at, at + length));
  // PNG holds the block alone, but some writers put JPEG's introduction before it.
  const start = text(0, 6) === 'Exif\0\0' ? 6 : 0;
  const order = text(start, 4);
  if (order !== 'II*\0' && order !== 'MM\0*') return 1;
  const little = order === 'II*\0';
  const view = new DataView(exif.buffer, exif.byteOffset + start, exif.byteLength - start);
  const short = (at: number) => (at + 2 <= view.byteLength ? view.getUint16(at, little) : 0);
  const directory = view.byteLength >= 8 ? view.getUint32(4, little) : view.byteLength;
  for (let i = 0, at = directory + 2; i < short(directory) && at < view.byteLength; i++, at += 12) {
    if (short(at) === 0x0112) return oneToEight(short(at + 8));
  }
  return 1;
}

const oneToEight = (value: number) => (value >= 1 && value <= 8 ? value : 1);

/** Whether turning swaps width and height. */
export const liesOnItsSide = (orientation: number): boolean => orientation >= 5;

/** The picture as it is to be seen. */
export function upright(image: ByteImage, orientation: number): ByteImage {
  if (orientation === 1) return image;
  const { width: w, height: h, channels, data } = image;
  const [width, height] = liesOnItsSide(orientation) ? [h, w] : [w, h];
  const mirrored = [2, 3, 6, 7].includes(orientation);
  const upsideDown = [3, 4, 7, 8].includes(orientation);
  const out = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = mirrored ? width - 1 - x : x;
      const row = upsideDown ? height - 1 - y : y;
      const from = (liesOnItsSide(orientation) ? column * w + row : row * w + column) * channels;
      for (let k = 0; k < channels; k++) out[to++] = data[from + k];
    }
  }
  return { width, height, channels, data: out };
}
