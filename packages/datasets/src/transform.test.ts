import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import { arrayDataset } from './dataset';
import { crop, fitImage, fitted, pad } from './transform';

const random = new Random(3);
const noise = (n: number) => Uint8Array.from(random.integers(n, 256));

describe('pad and crop', () => {
  test('28 → 32 keeps every pixel, with two of zeros around', () => {
    const pixels = noise(28 * 28);
    const padded = pad(pixels, [28, 28, 1], [32, 32]);
    for (let y = 0; y < 32; y++) {
      for (let x = 0; x < 32; x++) {
        const inside = y >= 2 && y < 30 && x >= 2 && x < 30;
        expect(padded[y * 32 + x]).toBe(inside ? pixels[(y - 2) * 28 + x - 2] : 0);
      }
    }
    expect(crop(padded, [32, 32, 1], [28, 28])).toEqual(pixels);
  });

  test('odd differences, and colour', () => {
    expect([...pad(Uint8Array.of(1, 2, 3), [1, 1, 3], [2, 2])]).toEqual([1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const pixels = noise(5 * 4 * 3);
    expect(crop(pad(pixels, [5, 4, 3], [7, 8]), [7, 8, 3], [5, 4])).toEqual(pixels);
  });

  test('name sizes that do not go', () => {
    expect(() => pad(noise(4), [2, 2, 1], [2, 1])).toThrow('pad: a 2×2 image is larger than 2×1');
    expect(() => crop(noise(4), [2, 2, 1], [3, 2])).toThrow('crop: a 2×2 image is smaller than 3×2');
  });
});

test('fitImage scales to cover, then cuts the middle', () => {
  // Left third 0, middle third 100, right third 200: the middle square is what remains.
  const pixels = Uint8Array.from({ length: 4 * 12 }, (_, i) => 100 * Math.floor((i % 12) / 4));
  expect(fitImage(pixels, [4, 12, 1], [4, 4], 'resize')).toEqual(new Uint8Array(16).fill(100));
  expect(fitImage(pixels, [4, 12, 1], [8, 8], 'resize')).toHaveLength(64);
  expect(fitImage(pixels, [4, 12, 1], [3, 5], 'resize')).toHaveLength(15);
});

test('fitted changes size and channels, and keeps labels', async () => {
  const dataset = arrayDataset({
    pixels: noise(3 * 4),
    shape: [2, 2, 1],
    labels: [2, 0, 1],
    classNames: ['a', 'b', 'c'],
  });
  const padded = fitted(dataset, { size: [4, 4], channels: 3, fit: 'pad' });
  expect([padded.size, padded.shape, padded.label?.(0), padded.classNames]).toEqual([3, [4, 4, 3], 2, ['a', 'b', 'c']]);
  const image = await padded.image(1);
  const gray = dataset.image(1) as Uint8Array;
  expect([...image.subarray(15, 18)]).toEqual([gray[0], gray[0], gray[0]]);
  const slow = { ...dataset, image: (i: number) => Promise.resolve(dataset.image(i)) };
  expect(await fitted(slow, { size: [4, 4], channels: 3, fit: 'pad' }).image(1)).toEqual(image);
  expect(fitted(dataset, { size: [2, 2] })).toBe(dataset);
  expect(() => fitted(dataset, { size: [1, 2], fit: 'pad' })).toThrow('pad: 2×2 images are larger than 1×2');
  expect(() => fitted(dataset, { size: [1, 3], fit: 'crop' })).toThrow('crop: 2×2 images are smaller than 1×3');
});
