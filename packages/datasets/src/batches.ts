import { Random } from '@ddpm/random';
import { concurrently } from './concurrent';
import type { Dataset } from './dataset';

/** Some images of a dataset, ready for a network. */
export interface Batch {
  /** [size, h, w, c] in [−1, 1]. */
  readonly images: Float32Array<ArrayBuffer>;
  /** Classes of the images, if the dataset has them. */
  readonly labels?: Int32Array<ArrayBuffer>;
  /** Which images of the dataset these are. */
  readonly indices: Int32Array<ArrayBuffer>;
  /** How many images. */
  readonly size: number;
}

/** Which batches to make. */
export interface BatchOptions {
  /** Images in a batch; the last of an epoch may have fewer. */
  readonly batchSize: number;
  /** Order and flips follow from it and the epoch. */
  readonly seed: number;
  /** Each epoch has an order of its own. */
  readonly epoch: number;
  /** Number of the first batch to give, to go on within an epoch; 0 by default. */
  readonly start?: number;
  /** The probability that an image is mirrored left to right; 0 by default. */
  readonly flip?: number;
}

/** Sets this stream of random numbers apart from others with the same seed and epoch. */
const STREAM = 0x62617463;
/** How many images are decoded at a time. */
const LANES = 8;

/**
 * How many batches an epoch has, the last and perhaps smaller one included.
 * @throws RangeError unless batchSize is a whole number of at least 1
 */
export function batchCount(dataset: Dataset, batchSize: number): number {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`batches: batchSize must be a whole number of at least 1, got ${batchSize}`);
  }
  return Math.ceil(dataset.size / batchSize);
}

/**
 * One epoch of a dataset in shuffled batches; the next batch is decoded while one is in use.
 * The order and the flips are a pure function of seed and epoch, wherever it starts.
 * @throws RangeError if an option is out of range
 */
export function batches(
  dataset: Dataset,
  { batchSize, seed, epoch, start = 0, flip = 0 }: BatchOptions,
): AsyncGenerator<Batch, void, undefined> {
  const count = batchCount(dataset, batchSize);
  if (!Number.isSafeInteger(start) || start < 0 || start > count) {
    throw new RangeError(`batches: start must be a whole number from 0 to ${count}, got ${start}`);
  }
  if (!(flip >= 0 && flip <= 1)) throw new RangeError(`batches: flip must be from 0 to 1, got ${flip}`);

  const random = new Random([seed, epoch, STREAM]);
  const order = random.shuffle(Int32Array.from({ length: dataset.size }, (_, i) => i));
  const mirrored = Uint8Array.from(order, () => (random.uniform() < flip ? 1 : 0));

  const load = (number: number) => {
    const from = number * batchSize;
    const to = Math.min(from + batchSize, dataset.size);
    return loadBatch(dataset, order.slice(from, to), mirrored.subarray(from, to));
  };
  return ahead(start, count, load);
}

/** load(start), load(start + 1), …: each one begun when the one before it is handed out. */
async function* ahead<T>(start: number, end: number, load: (i: number) => Promise<T>): AsyncGenerator<T, void, undefined> {
  let next = start < end ? load(start) : undefined;
  for (let i = start; next; i++) {
    const current: T = await next;
    next = i + 1 < end ? load(i + 1) : undefined;
    // A failure is thrown when its turn comes; until then it is not an unhandled one.
    next?.catch(() => {});
    yield current;
  }
}

async function loadBatch(dataset: Dataset, indices: Int32Array<ArrayBuffer>, mirrored: Uint8Array): Promise<Batch> {
  const [h, w, c] = dataset.shape;
  const images = new Float32Array(indices.length * h * w * c);
  await concurrently(indices.length, LANES, async (k) => {
    const bytes = await dataset.image(indices[k]);
    if (bytes.length !== h * w * c) {
      throw new RangeError(`batches: image ${indices[k]} has ${bytes.length} bytes, but the dataset's shape is ${h}×${w}×${c}`);
    }
    toUnitRange(bytes, images.subarray(k * h * w * c, (k + 1) * h * w * c), { w, c, mirror: mirrored[k] === 1 });
  });
  const labels = dataset.label && Int32Array.from(indices, (i) => dataset.label!(i));
  return { images, ...(labels && { labels }), indices, size: indices.length };
}

/** 0 … 255 → [−1, 1], each row mirrored or not. */
function toUnitRange(bytes: Uint8Array, out: Float32Array, { w, c, mirror }: { w: number; c: number; mirror: boolean }): void {
  for (let row = 0; row < bytes.length; row += w * c) {
    for (let x = 0; x < w; x++) {
      const from = row + (mirror ? w - 1 - x : x) * c;
      const to = row + x * c;
      for (let k = 0; k < c; k++) out[to + k] = bytes[from + k] / 127.5 - 1;
    }
  }
}
