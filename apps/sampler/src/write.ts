import { join } from 'node:path';
import { writeFileAtomic } from '@ddpm/checkpoint';
import type { ByteImage } from '@ddpm/images';
import { enlarge, imageGrid } from '@ddpm/images';
import { encodeApng } from '@ddpm/images/apng';
import { encodeGif } from '@ddpm/images/gif';
import { encodePng } from '@ddpm/images/png';
import { encodeNpz } from './npz';
import type { Format } from './options';

/** Images that were drawn. */
export interface Drawn {
  /** [n, h, w, c] in [−1, 1]. */
  readonly values: Float32Array;
  readonly shape: readonly [n: number, h: number, w: number, c: number];
  readonly images: readonly ByteImage[];
  /** Every step of the first image. */
  readonly chain: readonly ByteImage[];
  /** Every step of every image, [steps, n, h, w, c], if asked for. */
  readonly trajectory?: { readonly data: Float32Array; readonly shape: readonly number[] };
  /** Images in a row of their grid; near square by default. */
  readonly columns?: number;
  /** The words that each was drawn from, if any. */
  readonly captions?: readonly string[];
}

/** Small images are enlarged for looking at, to about this many pixels. */
const VIEW = 112;
const viewFactor = ({ width, height }: ByteImage) => Math.max(1, Math.floor(VIEW / Math.max(width, height)));
const animation = ({ chain }: Drawn) =>
  [chain.map((frame) => enlarge(frame, viewFactor(frame))), { frameMs: 50, lastFrameMs: 1000 }] as const;

type Say = (line: string) => void;

/** The writers of each format, into a folder. */
export const writers: Readonly<Record<Format, (folder: string, drawn: Drawn, say: Say) => Promise<void>>> = {
  async png(folder, { images }) {
    const digits = String(images.length - 1).length;
    for (const [i, image] of images.entries())
      await writeFileAtomic(join(folder, `${String(i).padStart(digits, '0')}.png`), encodePng(image));
  },
  async grid(folder, { images, columns, captions }, say) {
    const grid = captions
      ? (await import('@ddpm/images/plot')).captionedGrid(images, captions, { columns })
      : enlarge(imageGrid(images, { columns }), Math.min(3, viewFactor(images[0])));
    await writeFileAtomic(join(folder, 'grid.png'), encodePng(grid));
    say(`Grid: ${join(folder, 'grid.png')}`);
  },
  async gif(folder, drawn, say) {
    await writeFileAtomic(join(folder, 'chain.gif'), encodeGif(...animation(drawn)));
    say(`Animation of the first: ${join(folder, 'chain.gif')}`);
  },
  async apng(folder, drawn, say) {
    await writeFileAtomic(join(folder, 'chain.apng'), encodeApng(...animation(drawn)));
    say(`Animation of the first: ${join(folder, 'chain.apng')}`);
  },
  async npz(folder, { values, shape }, say) {
    await writeFileAtomic(join(folder, 'images.npz'), encodeNpz({ images: { data: values, shape } }));
    say(`Arrays: ${join(folder, 'images.npz')}`);
  },
};
