import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from './cache';
import type { Dataset } from './dataset';
import type { Progress } from './download';
import { download } from './download';
import { firstLine } from './errors';
import { parseIdx } from './idx';
import { idxDataset } from './idx-dataset';
import { inflate } from './read-idx';
import type { Half } from './split';

/** An IDX file that is known by its content. */
export interface KnownFile {
  readonly name: string;
  /** Length and SHA-256 of the file uncompressed, since gzip files of the same content differ. */
  readonly bytes: number;
  readonly sha256: string;
}

/** A dataset of IDX files that can be found or fetched. */
export interface Archive {
  readonly name: string;
  readonly files: Readonly<Record<Half, { images: KnownFile; labels: KnownFile }>>;
  readonly classNames: readonly string[];
  /** Folders where other software puts the files. */
  readonly folders: readonly string[];
  /** Addresses of folders that hold each file as `name.gz`. */
  readonly urls: readonly string[];
  /** How a person can get the files. */
  readonly help: string;
}

export interface ArchiveOptions {
  readonly split?: Half;
  /** The first folder to look in; a file there with other content is an error. */
  readonly dataDir?: string;
  /** Where downloads are kept. */
  readonly cacheDir: string;
  readonly onProgress?: (progress: Progress) => void;
  /** Gives up on an address when nothing arrives for so long. */
  readonly stallMs?: number;
}

/**
 * Opens an archive: each file, gzipped or not, is looked for in `dataDir`, the cache and the archive's folders, under
 * its own name and those that Kaggle gives it, and otherwise downloaded into the cache. Content is always verified.
 * @throws Error that lists all that was tried and the ways to get the files
 */
export async function openArchive(archive: Archive, { split = 'train', ...options }: ArchiveOptions): Promise<Dataset> {
  const { images, labels } = archive.files[split];
  const labelData = await loadFile(archive, labels, options);
  const imageData = await loadFile(archive, images, options);
  return idxDataset(parseIdx(imageData), parseIdx(labelData), archive.classNames);
}

async function loadFile(
  archive: Archive,
  file: KnownFile,
  options: Omit<ArchiveOptions, 'split'>,
): Promise<Uint8Array> {
  const { dataDir, cacheDir, onProgress, stallMs = 30_000 } = options;
  const cache = join(cacheDir, archive.name);
  const tried: string[] = [];
  for (const folder of [...(dataDir === undefined ? [] : [dataDir]), cache, ...archive.folders]) {
    const wrong: string[] = [];
    for (const path of namesOf(file).map((name) => join(folder, name))) {
      try {
        return await readKnown(path, file);
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) continue;
        // What a person points at must be right; elsewhere it is passed over.
        if (folder === dataDir) throw new Error(`${archive.name}: ${path}: ${firstLine(error)}`, { cause: error });
        wrong.push(`${path} (${firstLine(error)})`);
      }
    }
    tried.push(...(wrong.length > 0 ? wrong : [`${join(folder, file.name)} (not there)`]));
  }

  // Before a long download, not after it.
  await mkdir(cache, { recursive: true }).catch((error: unknown) => {
    throw new Error(
      `${archive.name}: the cache folder cannot be made (${firstLine(error)}); set DDPM_CACHE_DIR to one that can`,
      {
        cause: error,
      },
    );
  });
  const name = `${file.name}.gz`;
  for (const url of archive.urls.map((folder) => `${folder}${name}`)) {
    let bytes: Uint8Array;
    let content: Uint8Array;
    try {
      bytes = await download(url, {
        maxBytes: file.bytes + 2 ** 20,
        stallMs,
        onProgress: (received, total) => onProgress?.({ name, received, ...(total && { total }) }),
      });
      content = verified(bytes, file);
    } catch (error) {
      tried.push(`${url} (${firstLine(error)})`);
      continue;
    }
    await writeWhole(join(cache, name), bytes);
    return content;
  }
  throw new Error(
    `${archive.name}: ${file.name} could not be had. Tried: ${tried.join('; ')}. Ways to get it: ${archive.help}`,
  );
}

/**
 * train-images-idx3-ubyte; Kaggle's MNIST has it as train-images.idx3-ubyte, and in folders that are called as the file
 * in them.
 */
function namesOf({ name }: KnownFile): string[] {
  const names = [name, name.replace(/-(?=idx\d)/, '.')];
  return [...names, ...names.map((folder) => join(folder, folder))].flatMap((path) => [`${path}.gz`, path]);
}

async function readKnown(path: string, file: KnownFile): Promise<Uint8Array> {
  const { size } = await stat(path);
  if (size > file.bytes + 2 ** 20) throw new RangeError(`${size} bytes is too long for ${file.name}`);
  return verified(await readFile(path), file);
}

/** The uncompressed content, if it is the right one. */
function verified(bytes: Uint8Array, file: KnownFile): Uint8Array {
  const content = inflate(bytes, file.bytes);
  if (content.length !== file.bytes)
    throw new RangeError(`${content.length} bytes uncompressed, expected ${file.bytes}`);
  const sum = createHash('sha256').update(content).digest('hex');
  if (sum !== file.sha256)
    throw new RangeError(`wrong checksum (SHA-256 ${sum.slice(0, 12)}…, expected ${file.sha256.slice(0, 12)}…)`);
  return content;
}
