import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arrayDataset, choose, readExamples } from '@ddpm/datasets';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { encodeDataset } from './encodings';
import { createReporter } from './reporter';

let cacheDir: string;
let calls: number;
const warnings: string[] = [];
beforeEach(() => {
  cacheDir = mkdtempSync(join(tmpdir(), 'ddpm-encodings-'));
  calls = 0;
  warnings.length = 0;
});
afterEach(() => rmSync(cacheDir, { recursive: true }));

/** Image i is 4 pixels in a row, 10 i … 10 i + 3. */
const pixels = Uint8Array.from({ length: 28 }, (_, k) => 10 * Math.floor(k / 4) + (k % 4));
const images = arrayDataset({ pixels, shape: [1, 4, 1], labels: [0, 1, 2, 3, 4, 5, 6] });
const options = () => ({
  ...{ item: [1, 1, 2] as const, key: 'a', flip: true, cacheDir },
  reporter: { ...createReporter('quiet'), warn: (line: string) => void warnings.push(line) },
  /** The first pixel and the last. */
  encode: (data: Float32Array, n: number) => {
    calls++;
    return Promise.resolve(Float32Array.from({ length: 2 * n }, (_, k) => data[4 * (k >> 1) + 3 * (k & 1)]));
  },
});
const bytesOf = (values: Iterable<number>) => Array.from(values, (value) => Math.round((value + 1) * 127.5));
const files = () => readdirSync(join(cacheDir, 'latents'));
const file = () => join(cacheDir, 'latents', files()[0]);

test('images are encoded once, mirrored ones too, and read from the file by number', async () => {
  const first = await encodeDataset(images, options());
  const { dataset } = first;
  const numbers = Int32Array.of(6, 0, 3);
  const read = await readExamples(dataset, numbers, { mirrored: Uint8Array.of(0, 1, 0) });
  expect([bytesOf(read.image.data), read.image.item]).toEqual([
    [60, 63, 3, 0, 30, 33],
    [1, 1, 2],
  ]);
  expect([...read.label!.data]).toEqual([6, 0, 3]);
  // Some of them, in an order of their own.
  const second = await readExamples(choose(dataset, [5, 1]), Int32Array.of(1));
  expect(bytesOf(second.image.data)).toEqual([10, 13]);
  await first.dispose();

  expect(calls).toBe(1);
  const again = await encodeDataset(images, options());
  expect(bytesOf((await readExamples(again.dataset, numbers)).image.data)).toEqual([60, 63, 0, 3, 30, 33]);
  await again.dispose();
  expect([calls, files().length, warnings]).toEqual([1, 1, []]);
});

test('a file is of its images, of what encodes them, and of whether they are mirrored', async () => {
  const other = pixels.slice();
  other[27]++;
  for (const [of, change] of [
    [images, {}],
    [arrayDataset({ pixels: other, shape: [1, 4, 1] }), {}],
    [images, { key: 'b' }],
    [images, { flip: false }],
  ] as const)
    await (await encodeDataset(of, { ...options(), ...change })).dispose();
  expect([calls, files().length]).toEqual([4, 4]);
  const plain = await encodeDataset(images, { ...options(), flip: false });
  await expect(readExamples(plain.dataset, Int32Array.of(1), { mirrored: Uint8Array.of(1) })).rejects.toThrow(
    'encodeDataset: mirrored images were not encoded',
  );
  await plain.dispose();
});

test.each<[string, (path: string) => void]>([
  ['cut off', (path) => truncateSync(path, 40)],
  [
    'changed by a bit',
    (path) => {
      const bytes = readFileSync(path);
      bytes[5] ^= 1;
      writeFileSync(path, bytes);
    },
  ],
])('a file that was %s is made anew, and that is said', async (_, damage) => {
  await (await encodeDataset(images, options())).dispose();
  const whole = readFileSync(file());
  damage(file());
  await (await encodeDataset(images, options())).dispose();
  expect([calls, warnings]).toEqual([2, [`${file()} is damaged, and is made anew`]]);
  expect(readFileSync(file())).toEqual(whole);
});

test('what fails on the way leaves no file', async () => {
  const encode = () => Promise.reject(new Error('out of memory'));
  await expect(encodeDataset(images, { ...options(), encode })).rejects.toThrow('out of memory');
  expect(files()).toEqual([]);
});
