import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import sharp from 'sharp';
import { arrayDataset } from './dataset';
import { crop, fitImage, fitted, pad, resize } from './transform';

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

describe('resize', () => {
  test('is the identity at the same size, and keeps a constant at any', () => {
    const pixels = noise(7 * 5 * 3);
    expect(resize(pixels, [7, 5, 3], [7, 5])).toEqual(pixels);
    for (const size of [
      [1, 1],
      [3, 11],
      [20, 2],
    ] as const) {
      expect(new Set(resize(new Uint8Array(35).fill(77), [7, 5, 1], size))).toEqual(new Set([77]));
    }
  });

  test('doubles with the Catmull–Rom weights at quarter distances', () => {
    // Output 4 lies at 2.25 in input centres' units, a quarter before input 2's centre at 2.5: weights (−9, 111, 29, −3) / 128, mirrored.
    const out = resize(Uint8Array.of(0, 0, 128, 0, 0, 0), [1, 6, 1], [1, 12]);
    expect([...out]).toEqual([0, 0, 0, 29, 111, 111, 29, 0, 0, 0, 0, 0]);
  });

  test('reproduces a ramp inside, and mirrors with its input', () => {
    const ramp = Uint8Array.from({ length: 32 }, (_, x) => 8 * x);
    const half = resize(ramp, [1, 32, 1], [1, 16]);
    for (let x = 3; x < 13; x++) expect(Math.abs(half[x] - (16 * x + 4))).toBeLessThanOrEqual(1);
    const pixels = noise(9 * 6);
    const there = resize(pixels, [9, 6, 1], [5, 10]).reverse();
    expect(resize(pixels.reverse(), [9, 6, 1], [5, 10])).toEqual(there);
  });

  test('agrees with libvips when it shrinks a smooth picture', async () => {
    const [h, w] = [40, 32];
    const pixels = Uint8Array.from({ length: h * w * 3 }, (_, i) => {
      const [y, x, c] = [Math.floor(i / 3 / w), Math.floor(i / 3) % w, i % 3];
      return 128 + 100 * Math.sin(x / 5 + c) * Math.cos(y / 7);
    });
    for (const [height, width] of [
      [20, 16],
      [13, 11],
      [40, 16],
    ]) {
      const theirs = await sharp(pixels, { raw: { width: w, height: h, channels: 3 } })
        .resize({ width, height, fit: 'fill', kernel: 'cubic' })
        .raw()
        .toBuffer();
      const ours = resize(pixels, [h, w, 3], [height, width]);
      const difference = ours.reduce((sum, value, i) => sum + Math.abs(value - theirs[i]), 0) / ours.length;
      expect(difference).toBeLessThan(0.4);
    }
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
  const dataset = arrayDataset({ pixels: noise(3 * 4), shape: [2, 2, 1], labels: [2, 0, 1], classNames: ['a', 'b', 'c'] });
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
