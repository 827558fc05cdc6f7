import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import { gzipSync } from 'node:zlib';
import { parseIdx } from './idx';
import { idxDataset } from './idx-dataset';
import { readIdx } from './read-idx';

const idx = (shape: number[], data: ArrayLike<number>, type = 8) => {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, type, shape.length]);
  shape.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return new Uint8Array(Buffer.concat([header, Uint8Array.from(data)]));
};

describe('readIdx', () => {
  const file = idx([2, 1, 3], [1, 2, 3, 4, 5, 6]);

  test('reads sizes and values, gzipped or not', () => {
    const expected = { shape: [2, 1, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    expect(readIdx(file)).toEqual(expected);
    expect(parseIdx(Buffer.concat([Buffer.of(9), file]).subarray(1))).toEqual(expected);
    const { shape, data } = readIdx(gzipSync(file));
    expect([shape, [...data]]).toEqual([
      [2, 1, 3],
      [1, 2, 3, 4, 5, 6],
    ]);
  });

  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'IDX: truncated, 0 bytes is less than a header'],
    [
      'another format',
      Uint8Array.of(0x89, 0x50, 0x4e, 0x47),
      'IDX: not an IDX file (it does not begin with two zero bytes)',
    ],
    ['floats', idx([1], [0, 0, 0, 0], 13), 'IDX: only type 8 (unsigned bytes) is read, got type 13'],
    ['no sizes', idx([], []), 'IDX: no sizes'],
    ['half a header', file.subarray(0, 9), 'IDX: truncated, 3 sizes need 16 bytes, got 9'],
    ['values missing', file.subarray(0, -1), 'IDX: truncated, 2×1×3 values need 6 bytes, got 5'],
    ['values over', idx([2, 1, 3], [1, 2, 3, 4, 5, 6, 7]), 'IDX: 1 bytes too many after 2×1×3 values'],
    ['absurd sizes', idx(new Array<number>(255).fill(2 ** 32 - 1), [1]), 'IDX: truncated, '],
    ['a truncated gzip', gzipSync(file).subarray(0, -12), 'gzip: damaged or truncated (unexpected end of file)'],
  ])('names what is wrong with %s', (_, bytes, message) => {
    expect(() => readIdx(bytes)).toThrow(message);
  });

  test('does not inflate more than it is told', () => {
    const bomb = gzipSync(Buffer.concat([Uint8Array.of(0, 0, 8, 1, 1, 0, 0, 0), new Uint8Array(2 ** 24)]));
    expect(bomb.length).toBeLessThan(20_000);
    expect(() => readIdx(bomb, { maxBytes: 2 ** 20 })).toThrow(
      'IDX: it says that it has 16777224 bytes; at most 1048576 are read',
    );
  });

  test('does not inflate far more than the file itself says', () => {
    const zeros = new Uint8Array(2 ** 24);
    expect(() => readIdx(gzipSync(Buffer.concat([file, zeros])))).toThrow(
      `gzip: damaged or truncated (it inflates to more than ${file.length + 2 ** 20} bytes)`,
    );
    const header = Uint8Array.of(0, 0, 8, 1, 255, 255, 255, 255);
    expect(() => readIdx(gzipSync(Buffer.concat([header, zeros])))).toThrow(
      'IDX: it says that it has 4294967303 bytes; at most 1073741824 are read',
    );
    expect(() => readIdx(gzipSync(zeros))).toThrow('IDX: only type 8 (unsigned bytes) is read, got type 0');
  });

  test('any damage gives an array that fits its sizes, or one clear line', () => {
    const random = new Random(11);
    const gzipped = gzipSync(file);
    for (let k = 0; k < 3000; k++) {
      const damaged = Uint8Array.from(k % 2 ? file : gzipped);
      for (let i = random.integer(3); i >= 0; i--) damaged[random.integer(damaged.length)] = random.integer(256);
      try {
        const { shape, data } = readIdx(damaged.subarray(0, 1 + random.integer(damaged.length)), { maxBytes: 2 ** 20 });
        expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toMatch(/^(IDX|gzip): [^\n]+$/);
      }
    }
  });
});

describe('idxDataset', () => {
  const images = { shape: [2, 1, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) };

  test('images and labels by number', () => {
    const dataset = idxDataset(images, { shape: [2], data: Uint8Array.of(1, 0) }, ['a', 'b']);
    expect([dataset.size, dataset.shape, dataset.classNames]).toEqual([2, [1, 3, 1], ['a', 'b']]);
    expect([dataset.image(1), dataset.label?.(0)]).toEqual([Uint8Array.of(4, 5, 6), 1]);
    expect(idxDataset({ shape: [1, 1, 2, 3], data: images.data }).shape).toEqual([1, 2, 3]);
    expect('label' in idxDataset(images)).toBe(false);
  });

  test('names shapes that do not fit', () => {
    expect(() => idxDataset({ shape: [6], data: images.data })).toThrow(
      'IDX: images have shape [n, h, w] or [n, h, w, 1, 3 or 4], got [6]',
    );
    expect(() => idxDataset({ shape: [1, 1, 3, 2], data: images.data })).toThrow('got [1, 1, 3, 2]');
    expect(() => idxDataset({ shape: [3, 0, 2], data: new Uint8Array(0) })).toThrow('got [3, 0, 2]');
    expect(() => idxDataset(images, { shape: [3], data: new Uint8Array(3) })).toThrow(
      'IDX: 2 images need labels of shape [2], got [3]',
    );
    expect(() => idxDataset(images, { shape: [2], data: Uint8Array.of(0, 2) }, ['a', 'b'])).toThrow(
      'label 1 is 2, but there are 2 classes',
    );
  });
});
