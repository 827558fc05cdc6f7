import { expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { OpenOptions } from './open';
import { datasetNames, datasetSplits, openDataset } from './open';

test('fashion-mnist-10k comes with the package', async () => {
  const dataset = await openDataset('fashion-mnist-10k');
  expect([dataset.size, dataset.shape, dataset.classNames?.length]).toEqual([10000, [28, 28, 1], 10]);
  const classes = new Array<number>(10).fill(0);
  const hash = createHash('sha256');
  for (let i = 0; i < dataset.size; i++) {
    classes[dataset.label!(i)]++;
    hash.update(await dataset.image(i));
  }
  // gunzip -c train-images-idx3-ubyte.gz | tail -c +17 | head -c 7840000 | sha256sum
  expect(hash.digest('hex')).toMatchInlineSnapshot(
    `"2929ae1c7b89e0ee6587bbe4911fd5f0a5dafe21ae6ed9b737173cbfe20c12c9"`,
  );
  for (const n of classes) expect(n).toBeGreaterThan(900);
});

test('sizes and channels are changed as asked', async () => {
  const open = (options: OpenOptions) => openDataset('fashion-mnist-10k', options);
  const [plain, padded, scaled] = await Promise.all([
    open({}),
    open({ imageSize: 32, fit: 'pad', channels: 3 }),
    open({ imageSize: [14, 28] }),
  ]);
  expect([padded.shape, scaled.shape]).toEqual([
    [32, 32, 3],
    [14, 28, 1],
  ]);
  const [small, large] = [await plain.image(0), await padded.image(0)];
  expect(large[((2 + 5) * 32 + 2 + 9) * 3]).toBe(small[5 * 28 + 9]);
});

test('names what is wrong', async () => {
  const open = (name: string, options: Record<string, unknown> = {}) => openDataset(name, options);
  const names = 'fashion-mnist, fashion-mnist-10k, mnist, cifar10, pixel-art, emoji, folder';
  expect(datasetNames.join(', ')).toBe(names);
  expect(datasetNames.filter((name) => datasetSplits[name].includes('test'))).toEqual([
    'fashion-mnist',
    'mnist',
    'cifar10',
    'pixel-art',
    'emoji',
  ]);
  await expect(open('CIFAR-10')).rejects.toThrow(`dataset: expected one of ${names}, got "CIFAR-10"`);
  await expect(open('toString')).rejects.toThrow(/^dataset: expected one of/);
  await expect(open('mnist', { split: 'val' })).rejects.toThrow(
    'dataset: split must be one of train, test, held-out, got val',
  );
  await expect(open('mnist', { channels: 2 })).rejects.toThrow('dataset: channels must be one of 1, 3, 4, got 2');
  await expect(open('mnist', { fit: 'stretch' })).rejects.toThrow(
    'dataset: fit must be one of resize, pad, crop, got stretch',
  );
  await expect(open('mnist', { imageSize: 0.5 })).rejects.toThrow(
    'dataset: imageSize must be whole numbers from 1 to 65536, got 0.5×0.5',
  );
  await expect(open('fashion-mnist-10k', { split: 'test' })).rejects.toThrow(
    'fashion-mnist-10k: has no test split, only train',
  );
  await expect(open('folder')).rejects.toThrow('folder: needs the data folder (dataDir) that holds the images');
  await expect(open('folder', { dataDir: '.', split: 'test' })).rejects.toThrow(
    'folder: has no test split, only train',
  );
});
