import { open, readFile } from 'node:fs/promises';
import type { ByteImage } from '@ddpm/images';
import { decodePng } from '@ddpm/images/png';
import type { Channels } from './dataset';
import { upright } from './orientation';
import type { Kind } from './picture-format';
import { HEAD_BYTES, otherKind, pictureFormat } from './picture-format';
import { readPngFileHeader } from './png-file';
import { decodeWithSharp, readHeaderWithSharp } from './sharp';

/** A file that holds a picture: the way up that it is to be seen, and with what its pixels are made of. */
export interface Picture {
  readonly path: string;
  readonly width: number;
  readonly height: number;
  readonly channels: Channels;
  /** Decodes it; the pixels may have other channels. */
  read(): Promise<ByteImage>;
}

/** A picture file's kind and size, by its content, of which only the header is read. */
export async function inspect(path: string): Promise<Picture | { readonly kind: Kind }> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const head = buffer.subarray(0, bytesRead);
    const format = pictureFormat(head);
    if (!format) return { kind: otherKind(path, head) };
    if (format !== 'PNG')
      return { path, ...(await readHeaderWithSharp(path)), read: async () => decodeWithSharp(await readFile(path)) };
    const { orientation, ...header } = await readPngFileHeader(file);
    return { path, ...header, read: async () => upright(decodePng(await readFile(path)), orientation) };
  } finally {
    await file.close();
  }
}
