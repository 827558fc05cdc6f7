import garments from './data/garments.png';
import portraits from './data/portraits.png';
import digits from './digits.png';
import { squarePixels, toPixels } from './picture-files';

/* Pictures to train on, made small; for a worker, since it takes a while. */

export interface TrainingPictures {
  readonly name: string;
  /** [n, h, w, c] bytes. */
  readonly pixels: Uint8Array;
  readonly image: readonly [h: number, w: number, c: number];
  /** Whether a picture may be mirrored. */
  readonly flip: boolean;
}

/** Pictures that come with the page, as sheets of those of 16×16 side by side. */
const sheets: Readonly<Record<string, { readonly url: string; readonly channels: 1 | 3; readonly flip: boolean }>> = {
  portraits: { url: portraits, channels: 3, flip: true },
  digits: { url: digits, channels: 1, flip: false },
  garments: { url: garments, channels: 1, flip: true },
};
const side = 16;

export async function openSheet(name: string): Promise<TrainingPictures> {
  const { url, channels, flip } = sheets[name];
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const { width, height } = bitmap;
  const rgba = toPixels(bitmap, width, height);
  const [columns, rows] = [width / side, height / side];
  const pixels = new Uint8Array(columns * rows * side * side * channels);
  let i = 0;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++)
          for (let c = 0; c < channels; c++) pixels[i++] = rgba[4 * ((row * side + y) * width + column * side + x) + c];
  return { name, pixels, image: [side, side, channels], flip };
}

/**
 * Pictures of one's own, cut square and made 16×16.
 * @throws Error in one line if none of the files is a picture
 */
export async function openFiles(files: readonly File[]): Promise<TrainingPictures> {
  const pictures: Uint8Array[] = [];
  for (const file of files) {
    const rgba = await squarePixels(file, [side, side]);
    if (rgba) pictures.push(Uint8Array.from(rgba.filter((_, i) => i % 4 < 3)));
  }
  if (pictures.length === 0) throw new Error(`none of ${files.length} files is a picture`);
  const pixels = new Uint8Array(pictures.length * side * side * 3);
  for (const [i, picture] of pictures.entries()) pixels.set(picture, i * picture.length);
  return { name: `${pictures.length} pictures of your own`, pixels, image: [side, side, 3], flip: false };
}
