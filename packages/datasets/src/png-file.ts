import type { FileHandle } from 'node:fs/promises';
import { readPngHeader } from '@ddpm/images/png';
import type { Channels } from './dataset';
import { exifOrientation, liesOnItsSide } from './orientation';

/** How much of the file is read at a time. */
const WINDOW = 2 ** 16;

/**
 * The facts about a PNG file before its pixels are read. Chunks after the header are walked over, since they may hold
 * a transparency that the header does not say, and an EXIF block.
 * @throws RangeError if it does not begin as a PNG file does
 */
export async function readPngFileHeader(
  file: FileHandle,
): Promise<{ width: number; height: number; channels: Channels; orientation: number }> {
  let [start, bytes] = [0, new Uint8Array(0)];
  const at = async (position: number, length: number) => {
    if (position < start || position + length > start + bytes.length) {
      const { buffer, bytesRead } = await file.read(
        new Uint8Array(Math.max(WINDOW, length)),
        0,
        Math.max(WINDOW, length),
        position,
      );
      [start, bytes] = [position, buffer.subarray(0, bytesRead)];
    }
    return bytes.subarray(position - start, position - start + length);
  };

  const { width, height, channels } = readPngHeader(await at(0, 33));
  let [transparent, orientation] = [channels === 4, 1];
  for (let position = 33; ;) {
    const chunk = Buffer.from(await at(position, 8));
    if (chunk.length < 8) break;
    const [length, type] = [chunk.readUInt32BE(0), chunk.toString('latin1', 4)];
    if (type === 'IEND') break;
    if (type === 'tRNS') transparent = true;
    if (type === 'eXIf') orientation = exifOrientation(await at(position + 8, Math.min(length, WINDOW)));
    position += 12 + length;
  }
  const sides = liesOnItsSide(orientation) ? { width: height, height: width } : { width, height };
  return { ...sides, channels: transparent ? 4 : channels, orientation };
}
