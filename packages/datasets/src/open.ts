import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openArchive } from './archive';
import { defaultCacheDir } from './cache';
import { openCifar10 } from './cifar10';
import type { Channels, Dataset } from './dataset';
import type { Progress } from './download';
import { openEmoji } from './emoji/dataset';
import { fashionMnist } from './fashion-mnist';
import { openFolder } from './folder';
import { idxDataset } from './idx-dataset';
import { mnist } from './mnist';
import { openPixelArt, pixelArtSide } from './pixel-art/dataset';
import { readIdx } from './read-idx';
import type { Half, Split } from './split';
import type { Fit } from './transform';
import { fitted } from './transform';

/** Which part of a dataset to open, where it is, and the shape of its images. */
export interface OpenOptions {
  /** Where the files are: looked in first, and needed for `folder`. */
  readonly dataDir?: string;
  /** Where downloads are kept; see `defaultCacheDir`. */
  readonly cacheDir?: string;
  /** 'train' by default. */
  readonly split?: Split;
  /** Height and width, or one number for both; by default as the images are. */
  readonly imageSize?: number | readonly [h: number, w: number];
  /** 1 gray, 3 RGB, 4 RGBA; by default as the images are. */
  readonly channels?: Channels;
  /**
   * How images get to `imageSize`: scaled (the default, and cut where the aspect differs), padded with zeros, or cut to
   * the middle.
   */
  readonly fit?: Fit;
  /** See `FolderOptions`; only a folder has files to pass over. */
  readonly onSkipped?: (line: string) => void;
  /** Called now and then while a file is downloaded. */
  readonly onProgress?: (progress: Progress) => void;
}

type Options<S extends Split> = OpenOptions & {
  readonly cacheDir: string;
  readonly split: S;
  readonly size?: readonly [h: number, w: number];
};

/** A dataset and the splits that it has; it is opened with no other. */
interface Entry {
  readonly splits: readonly Split[];
  readonly open: (options: Options<Split>) => Promise<Dataset>;
}

/** A dataset that comes in two. */
const halves = (open: (options: Options<Half>) => Promise<Dataset>): Entry => ({
  splits: ['train', 'test'],
  open: (options) => open(options as Options<Half>),
});

/** Every dataset that can be opened by name, and the splits that it has. */
const datasets: Readonly<Record<string, Entry>> = {
  'fashion-mnist': halves(async (options) => fitted(await openArchive(fashionMnist, options), options)),
  'fashion-mnist-10k': { splits: ['train'], open: async (options) => fitted(await openFashionMnist10k(), options) },
  mnist: halves(async (options) => fitted(await openArchive(mnist, options), options)),
  cifar10: halves(async (options) => {
    const folders = [...(options.dataDir === undefined ? [] : [options.dataDir]), join(options.cacheDir, 'cifar10')];
    return fitted(await openCifar10({ folders, split: options.split }), options);
  }),
  'pixel-art': {
    splits: ['train', 'test', 'held-out'],
    open: async (options) =>
      fitted(await openPixelArt({ split: options.split, side: pixelArtSide(options.size) }), options),
  },
  emoji: {
    splits: ['train', 'test', 'held-out'],
    open: async ({ dataDir, cacheDir, split, size, ...options }) => {
      const from = [...(dataDir === undefined ? [] : [dataDir]), process.cwd()];
      const side = size?.[0] === size?.[1] ? size?.[0] : undefined;
      return fitted(await openEmoji({ split, size: side, from, cacheDir }), { ...options, size });
    },
  },
  folder: {
    splits: ['train'],
    open: (options) => {
      if (options.dataDir === undefined)
        throw new RangeError('folder: needs the data folder (dataDir) that holds the images');
      return openFolder(options.dataDir, options);
    },
  },
};

/** The names that `openDataset` knows. */
export const datasetNames: readonly string[] = Object.keys(datasets);

/** Which splits each of them has. */
export const datasetSplits: Readonly<Record<string, readonly Split[]>> = Object.fromEntries(
  Object.entries(datasets).map(([name, { splits }]) => [name, splits]),
);

/**
 * Opens a dataset by name.
 * @throws RangeError if the name or an option is not one there is
 * @throws Error, one line, if its files are missing or wrong
 */
export async function openDataset(name: string, options: OpenOptions = {}): Promise<Dataset> {
  if (!Object.hasOwn(datasets, name))
    throw new RangeError(`dataset: expected one of ${datasetNames.join(', ')}, got ${JSON.stringify(name)}`);
  const { split = 'train', cacheDir = defaultCacheDir(), imageSize, channels, fit } = options;
  oneOf('split', split, ['train', 'test', 'held-out']);
  if (!datasetSplits[name].includes(split))
    throw new RangeError(`${name}: has no ${split} split, only ${datasetSplits[name].join(', ')}`);
  if (channels !== undefined) oneOf('channels', channels, [1, 3, 4]);
  if (fit !== undefined) oneOf('fit', fit, ['resize', 'pad', 'crop']);
  const size = typeof imageSize === 'number' ? ([imageSize, imageSize] as const) : imageSize;
  if (size && !(size.length === 2 && size.every((side) => Number.isSafeInteger(side) && side >= 1 && side <= 65536))) {
    throw new RangeError(`dataset: imageSize must be whole numbers from 1 to 65536, got ${size.join('×')}`);
  }
  return datasets[name].open({ ...options, split, cacheDir, size });
}

function oneOf<T>(option: string, value: T, allowed: readonly T[]): void {
  if (!allowed.includes(value))
    throw new RangeError(`dataset: ${option} must be one of ${allowed.join(', ')}, got ${String(value)}`);
}

/** The first 10,000 training images of Fashion-MNIST, which come with this package. */
async function openFashionMnist10k(): Promise<Dataset> {
  const read = async (kind: string) =>
    readIdx(await readFile(fileURLToPath(new URL(`../data/fashion-mnist-10k-${kind}-ubyte.gz`, import.meta.url))));
  return idxDataset(await read('images-idx3'), await read('labels-idx1'), fashionMnist.classNames);
}
