import { withChannels } from '@ddpm/images';
import { concurrently } from './concurrent';
import type { Channels, Dataset } from './dataset';
import { firstLine } from './errors';
import type { FolderCaptions } from './folder-captions';
import { readFolderCaptions } from './folder-captions';
import { listFiles } from './list-files';
import type { Picture } from './picture';
import { inspect } from './picture';
import type { Kind } from './picture-format';
import type { Skipped } from './skipped';
import { describeSkipped } from './skipped';
import type { Fit } from './transform';
import { fitImage } from './transform';

/** How many files are opened at a time. */
const LANES = 16;
/**
 * As many bytes of pictures that are ready to use stay in memory, so that each epoch need not decode and scale them
 * again.
 */
const KEPT_BYTES = 2 ** 30;

/** How the images of a folder become alike. */
export interface FolderOptions {
  /** Height and width to bring every image to; needed where sizes are mixed. */
  readonly size?: readonly [h: number, w: number];
  /** Needed where gray, RGB and RGBA images are mixed. */
  readonly channels?: Channels;
  /** How an image gets to `size`; by default 'resize'. */
  readonly fit?: Fit;
  /**
   * Is given one line that counts and names the files that are passed over, if any are; by default it becomes a warning
   * of the process.
   */
  readonly onSkipped?: (line: string) => void;
}

/** An image of a folder, and the folder directly inside it that leads there, if it is not in the folder itself. */
type Found = Picture & { readonly className?: string };

/**
 * A folder of images, at any depth: PNG, and with sharp installed also JPEG, WebP, GIF (its first frame), TIFF and
 * AVIF, told by their content. A folder directly inside it is a class, named after it, in order of name. Links are
 * followed; hidden files are not looked at, and others that are no images are passed over. Captions are in a .txt
 * beside an image, one a line, or in a metadata.jsonl. Images are read as Pillow reads them, when they are asked for;
 * here only their headers are.
 * @throws Error or RangeError, one line: no images, images both beside and inside subfolders, mixed sizes or channels
 * that nobody asked to bring together, a damaged file, a caption of no image, sharp missing where it is needed, a link
 * that leads back to where it lies
 */
export async function openFolder(
  path: string,
  { size, channels, fit = 'resize', onSkipped = (line) => process.emitWarning(`${path}: ${line}`) }: FolderOptions = {},
): Promise<Dataset> {
  const { pictures, skipped, captions } = await findPictures(path);
  const classNames = [...new Set(pictures.flatMap(({ className }) => className ?? []))];
  if (pictures.length === 0) {
    const others = skipped.length > 0 ? `. ${describeSkipped(skipped)}` : '';
    throw new Error(`${path}: no images (PNG, JPEG, WebP, GIF, TIFF, AVIF) in it or its subfolders${others}`);
  }
  if (classNames.length > 0 && pictures.some(({ className }) => className === undefined)) {
    throw new Error(
      `${path}: has images of its own and in subfolders (${classNames[0]}); a class is a subfolder, so keep one or the other`,
    );
  }
  const [height, width] = size ?? [pictures[0].height, pictures[0].width];
  const target = channels ?? pictures[0].channels;
  checkAlike(path, pictures, { size, channels });
  if (fit !== 'resize') checkFit(pictures, [height, width], fit);
  if (skipped.length > 0) onSkipped(describeSkipped(skipped));

  const read = async (picture: Picture) => {
    const image = withChannels(await picture.read(), target);
    return fitImage(image.data, [image.height, image.width, target], [height, width], fit);
  };
  const kept = new Map<number, Uint8Array>();
  const room = Math.floor(KEPT_BYTES / (height * width * target));
  const labels = pictures.map(({ className }) => (className === undefined ? 0 : classNames.indexOf(className)));
  return {
    size: pictures.length,
    shape: [height, width, target],
    image: async (i) => {
      const before = kept.get(i);
      if (before) return before;
      const pixels = await aboutFile(pictures[i].path, () => read(pictures[i]));
      if (kept.size < room) kept.set(i, pixels);
      return pixels;
    },
    ...(classNames.length > 0 && { label: (i: number) => labels[i], classNames }),
    // A picture that has none has the empty one.
    ...(captions.size > 0 && { captions: (i: number) => captions.get(pictures[i].path) ?? [''] }),
  };
}

/** The images in a folder, in order of name, what is neither one nor a caption, and the captions. */
async function findPictures(
  path: string,
): Promise<{ pictures: Found[]; skipped: Skipped[]; captions: FolderCaptions['captions'] }> {
  const files = await listFiles(path);
  const found = new Array<Found | { readonly kind: Kind }>(files.length);
  await concurrently(files.length, LANES, async (i) => {
    const { path: file, names, what } = files[i];
    found[i] = what === 'file' ? await aboutFile(file, () => inspect(file)) : { kind: [what, `${what}s`] };
    if (names.length > 1) found[i] = { ...found[i], className: names[0] };
  });
  const pictures = found.filter((one) => 'read' in one);
  const { captions, files: texts } = await readFolderCaptions(
    files,
    pictures.map((picture) => picture.path),
  );
  const skipped = found.flatMap((one, i) =>
    'kind' in one && !texts.has(files[i].path) ? [{ name: files[i].names.join('/'), kind: one.kind }] : [],
  );
  return { pictures, skipped, captions };
}

/** Throws unless the images have one size and one kind, or those that they shall get are given. */
function checkAlike(path: string, pictures: readonly Picture[], { size, channels }: FolderOptions): void {
  const first = pictures[0];
  const sizeOf = ({ width, height }: Picture) => `${width}×${height}`;
  const otherSize = pictures.find((picture) => sizeOf(picture) !== sizeOf(first));
  if (!size && otherSize) {
    const sizes = `${first.path} is ${sizeOf(first)}, ${otherSize.path} is ${sizeOf(otherSize)}`;
    throw new RangeError(
      `${path}: sizes are mixed (${sizes}); say what size to bring them to (imageSize, or --image-size)`,
    );
  }
  const otherKind = pictures.find((picture) => picture.channels !== first.channels);
  if (!channels && otherKind) {
    const kinds = `${first.path} has ${first.channels} channels, ${otherKind.path} has ${otherKind.channels}`;
    const advice = 'say what to make of them: gray 1, RGB 3 or RGBA 4 (channels, or --channels)';
    throw new RangeError(`${path}: kinds are mixed (${kinds}); ${advice}`);
  }
}

/** Throws unless every image can be padded, or cut, to the size. */
function checkFit(
  pictures: readonly Picture[],
  [height, width]: readonly [h: number, w: number],
  fit: 'pad' | 'crop',
): void {
  const wrong = pictures.find(({ height: h, width: w }) =>
    fit === 'pad' ? w > width || h > height : w < width || h < height,
  );
  if (!wrong) return;
  const tooMuch = fit === 'pad' ? 'large to pad' : 'small to crop';
  throw new RangeError(`${wrong.path}: ${wrong.width}×${wrong.height} is too ${tooMuch} to ${width}×${height}`);
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
