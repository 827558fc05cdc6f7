import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Dataset, Encoded } from '@ddpm/datasets';
import { defaultCacheDir, readExamples } from '@ddpm/datasets';
import type { Reporter } from './reporter';

/** Images that are encoded at a time, and bytes that are read at a time. */
const [PART, PIECE] = [64, 2 ** 20];
/** Bytes of a SHA-256. */
const DIGEST = 32;

/** How images are encoded. */
export interface EncodeOptions {
  /** Images, [n, h, w, c] in [−1, 1], to n encodings one after the other. */
  readonly encode: (images: Float32Array, n: number) => Promise<Float32Array>;
  /** The shape of one. */
  readonly item: Encoded['item'];
  /** All else that the encodings depend on beside the images. */
  readonly key: string;
  /** Whether those of the mirrored images are wanted too. */
  readonly flip: boolean;
  /** Told where what was kept is damaged and made anew, and how far it is. */
  readonly reporter: Pick<Reporter, 'warn' | 'progress'>;
  /** Where they are kept; see `defaultCacheDir`. */
  readonly cacheDir?: string;
}

/** A dataset whose examples have encodings in place of images. */
export interface EncodedDataset {
  readonly dataset: Dataset;
  /** Closes the file. */
  dispose(): Promise<void>;
}

/**
 * Encodes a dataset's images once. The encodings lie in a file of the cache folder, which is named by a hash of the images
 * and of what encodes them, and of which each is read when it is asked for: float32 one after the other, behind each
 * that of the mirrored image where that is wanted, and at the end the SHA-256 of it all.
 * @throws Error in one line if the file cannot be written
 */
export async function encodeDataset(dataset: Dataset, options: EncodeOptions): Promise<EncodedDataset> {
  const { item, key, flip, reporter, cacheDir = defaultCacheDir() } = options;
  const hash = createHash('sha256').update(JSON.stringify([key, item, flip, await pixelHash(dataset)]));
  const path = join(cacheDir, 'latents', `${hash.digest('hex').slice(0, 24)}.f32`);
  const each = item[0] * item[1] * item[2] * Float32Array.BYTES_PER_ELEMENT;
  const rows = dataset.size * (flip ? 2 : 1);
  let file = await openWhole(path, rows * each, reporter);
  if (!file) {
    await makeFolder(dirname(path)).catch((error: unknown) => {
      throw new Error(`${path} cannot be written: ${(error as Error).message}`, { cause: error });
    });
    await writeFileAtomic(path, encoded(dataset, options));
    file = await open(path, 'r');
  }
  const handle = file;
  return {
    dataset: {
      ...dataset,
      encoded: {
        item,
        async read(i, { mirrored }) {
          if (mirrored && !flip) throw new RangeError('encodeDataset: mirrored images were not encoded');
          const values = new Float32Array(each / Float32Array.BYTES_PER_ELEMENT);
          const row = flip ? 2 * i + Number(mirrored) : i;
          const { bytesRead } = await handle.read(new Uint8Array(values.buffer), 0, each, row * each);
          if (bytesRead !== each) throw new Error(`${path} has become shorter since it was opened`);
          return values;
        },
      },
    },
    dispose: () => handle.close(),
  };
}

/** The SHA-256 of all pixels. */
async function pixelHash(dataset: Dataset): Promise<string> {
  const { size, shape } = dataset;
  const hash = createHash('sha256').update(JSON.stringify([size, shape]));
  for (let start = 0; start < size; start += PART) {
    const count = Math.min(PART, size - start);
    const images = Array.from({ length: count }, async (_, k) => dataset.image(start + k));
    for (const pixels of await Promise.all(images)) hash.update(pixels);
  }
  return hash.digest('hex');
}

/** The file, if it is there and whole. */
async function openWhole(
  path: string,
  size: number,
  { warn }: Pick<Reporter, 'warn'>,
): Promise<FileHandle | undefined> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') warn(`${path} cannot be read, and is made anew: ${error.message}`);
    return undefined;
  });
  if (!file) return undefined;
  if ((await file.stat()).size === size + DIGEST) {
    const hash = createHash('sha256');
    const piece = new Uint8Array(PIECE);
    for (let at = 0; at < size; at += PIECE) {
      const { bytesRead } = await file.read(piece, 0, Math.min(PIECE, size - at), at);
      hash.update(piece.subarray(0, bytesRead));
    }
    const { buffer } = await file.read(new Uint8Array(DIGEST), 0, DIGEST, size);
    if (hash.digest().equals(buffer)) return file;
  }
  await file.close();
  warn(`${path} is damaged, and is made anew`);
  return undefined;
}

/** The file's contents, piece by piece. */
async function* encoded(
  dataset: Dataset,
  { encode, flip, reporter }: EncodeOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { size } = dataset;
  const hash = createHash('sha256');
  const progress = reporter.progress('Encoding', size);
  try {
    for (let start = 0; start < size; start += PART) {
      const n = Math.min(PART, size - start) * (flip ? 2 : 1);
      const rowOf = (k: number) => (flip ? Math.floor(k / 2) : k);
      const { image } = await readExamples(
        { ...dataset, encoded: undefined },
        Int32Array.from({ length: n }, (_, k) => start + rowOf(k)),
        { mirrored: Uint8Array.from({ length: n }, (_, k) => (flip ? k % 2 : 0)) },
      );
      const values = await encode(image.data, n);
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      hash.update(bytes);
      yield bytes;
      progress.update(Math.min(start + PART, size));
    }
    yield hash.digest();
  } finally {
    progress.stop();
  }
}
