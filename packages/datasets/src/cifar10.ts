import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from './dataset';
import { arrayDataset } from './dataset';
import { about, firstLine } from './errors';
import type { Half } from './split';

const CLASS_NAMES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const SIDE = 32;
const PLANE = SIDE * SIDE;
const RECORD = 1 + 3 * PLANE;

const FILES = { train: [1, 2, 3, 4, 5].map((k) => `data_batch_${k}.bin`), test: ['test_batch.bin'] };

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
 * CIFAR-10 from its unpacked binary files in one of the folders, or in `cifar-10-batches-bin` inside it.
 * @throws Error that lists where it looked and how to get the files
 */
export async function openCifar10({ folders, split }: { folders: readonly string[]; split: Half }): Promise<Dataset> {
  const tried: string[] = [];
  for (const folder of folders.flatMap((root) => [root, join(root, 'cifar-10-batches-bin')])) {
    const paths = FILES[split].map((name) => join(folder, name));
    let files: Uint8Array[];
    try {
      files = await Promise.all(paths.map((path) => readFile(path)));
    } catch (error) {
      tried.push(firstLine(error));
      continue;
    }
    const parts = files.map((bytes, i) => about(paths[i], () => readCifar10(bytes)));
    return arrayDataset({
      pixels: concat(parts.map(({ pixels }) => pixels)),
      shape: [SIDE, SIDE, 3],
      labels: concat(parts.map(({ labels }) => labels)),
      classNames: CLASS_NAMES,
    });
  }
  throw new Error(
    `cifar10: ${FILES[split].join(', ')} not found. Tried: ${tried.join('; ')}. To get them: ` +
      'curl -O https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz && tar xzf cifar-10-binary.tar.gz, and pass that folder as the data folder',
  );
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
