import { open, readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { decodePng, readPngHeader } from '@ddpm/images/png';
import { concurrently } from './concurrent';
import type { Channels, Dataset } from './dataset';
import { firstLine } from './errors';
import { decodeWithSharp, readHeaderWithSharp } from './sharp';
import { fitImage, type Fit } from './transform';

const EXTENSIONS = ['.png', '.jpg', '.jpeg', '.webp'];
/** How many files are opened at a time. */
const LANES = 16;

/** How the images of a folder become alike. */
export interface FolderOptions {
  /** Height and width to bring every image to; needed where sizes are mixed. */
  readonly size?: readonly [h: number, w: number];
  /** Needed where gray, RGB and RGBA images are mixed. */
  readonly channels?: Channels;
  /** How an image gets to `size`; by default 'resize', which needs sharp where a size differs. */
  readonly fit?: Fit;
}

/** What is known of an image before its pixels are read. */
export interface ImageHeader {
  readonly width: number;
  readonly height: number;
  readonly channels: Channels;
}

/**
 * A folder of images: PNG, and with sharp installed also JPEG and WebP. With subfolders of images instead, each is a class named after it,
 * in order of name. Images are read when asked for; here only their headers are.
 * @throws Error or RangeError, one line: no images, images both beside and inside subfolders, mixed sizes or channels that nobody asked to
 * bring together, an unreadable file, sharp missing where it is needed
 */
export async function openFolder(path: string, { size, channels, fit = 'resize' }: FolderOptions = {}): Promise<Dataset> {
  const { files, labels, classNames } = await findImages(path);
  const headers = new Array<ImageHeader>(files.length);
  await concurrently(files.length, LANES, async (i) => {
    headers[i] = await aboutFile(files[i], () => readHeader(files[i]));
  });

  const odd = (differs: (header: ImageHeader) => boolean) => headers.findIndex(differs);
  const first = headers[0];
  const [height, width] = size ?? [first.height, first.width];
  if (!size) {
    const i = odd((header) => header.width !== width || header.height !== height);
    if (i >= 0) {
      const other = `${headers[i].width}×${headers[i].height}`;
      throw new RangeError(
        `${path}: sizes are mixed (${files[0]} is ${width}×${height}, ${files[i]} is ${other}); say what size to bring them to (imageSize, or --image-size)`,
      );
    }
  }
  if (!channels) {
    const i = odd((header) => header.channels !== first.channels);
    if (i >= 0) {
      const kinds = `${files[0]} has ${first.channels} channels, ${files[i]} has ${headers[i].channels}`;
      throw new RangeError(
        `${path}: kinds are mixed (${kinds}); say what to make of them: gray 1, RGB 3 or RGBA 4 (channels, or --channels)`,
      );
    }
  }
  if (fit !== 'resize') {
    const wrong =
      fit === 'pad' ? (h: ImageHeader) => h.width > width || h.height > height : (h: ImageHeader) => h.width < width || h.height < height;
    const i = odd(wrong);
    if (i >= 0) {
      const { width: w, height: h } = headers[i];
      throw new RangeError(`${files[i]}: ${w}×${h} is too ${fit === 'pad' ? 'large to pad' : 'small to crop'} to ${width}×${height}`);
    }
  }

  const target = channels ?? first.channels;
  return {
    size: files.length,
    shape: [height, width, target],
    image: (i) =>
      aboutFile(files[i], async () => {
        const scaled = fit === 'resize' && (headers[i].width !== width || headers[i].height !== height);
        const image =
          isPng(files[i]) && !scaled
            ? decodePng(await readFile(files[i]), { channels: target })
            : await decodeWithSharp(files[i], { channels: target, ...(scaled && { cover: [height, width] as const }) });
        return fitImage(image.data, [image.height, image.width, target], [height, width], fit);
      }),
    ...(classNames && { label: (i: number) => labels[i], classNames }),
  };
}

const isPng = (file: string) => extname(file).toLowerCase() === '.png';

/** The images in the folder, or else those in its subfolders with a class each. */
async function findImages(path: string): Promise<{ files: string[]; labels: number[]; classNames?: string[] }> {
  const direct = await listImages(path);
  const folders = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const classes = [];
  for (const name of folders.map((entry) => entry.name).sort()) {
    const files = await listImages(join(path, name));
    if (files.length > 0) classes.push({ name, files });
  }
  if (direct.length > 0 && classes.length > 0) {
    throw new Error(
      `${path}: has images of its own and in subfolders (${classes[0].name}); a class is a subfolder, so keep one or the other`,
    );
  }
  if (direct.length === 0 && classes.length === 0) {
    throw new Error(`${path}: no images (${EXTENSIONS.join(', ')}) in it or its subfolders`);
  }
  return classes.length === 0
    ? { files: direct, labels: [] }
    : {
        files: classes.flatMap(({ files }) => files),
        labels: classes.flatMap(({ files }, label) => files.map(() => label)),
        classNames: classes.map(({ name }) => name),
      };
}

async function listImages(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
  return names
    .filter((name) => EXTENSIONS.includes(extname(name).toLowerCase()))
    .sort()
    .map((name) => join(path, name));
}

async function readHeader(file: string): Promise<ImageHeader> {
  if (!isPng(file)) return readHeaderWithSharp(file);
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(33), 0, 33, 0);
    return readPngHeader(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** Awaits `read`; an error says which file it is about. */
async function aboutFile<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const line = firstLine(error);
    throw new Error(line.includes(file) ? line : `${file}: ${line}`, { cause: error });
  }
}
