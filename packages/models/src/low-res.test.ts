import { expect, test } from '@jest/globals';
import { lowResCondition, resized } from './low-res';

const meaning = { image: [4, 4, 1] as const, lowRes: { size: [2, 2] as const, maxAugmentation: 0.5 } };

test('small pictures become as large as the model, each with noise of its own seed', () => {
  const flat = Float32Array.from({ length: 8 }, (_, i) => (i < 4 ? -1 : 1));
  const plain = lowResCondition(flat, meaning, { augmentation: 0, seed: 0 });
  expect(plain.lowRes.item).toEqual([4, 4, 1]);
  expect([...plain.lowRes.data]).toEqual(Array.from({ length: 32 }, (_, i) => (i < 16 ? -1 : 1)));
  expect([...plain.augmentation.data]).toEqual([0, 0]);

  const noisy = lowResCondition(flat, meaning, { augmentation: 0.5, seed: 3 });
  const alone = lowResCondition(flat.subarray(0, 4), meaning, { augmentation: 0.5, seed: 3 });
  expect(noisy.lowRes.data.subarray(0, 16)).toEqual(alone.lowRes.data);
  const noise = [...noisy.lowRes.data].map((z, i) => (z - Math.sqrt(0.75) * (i < 16 ? -1 : 1)) / 0.5);
  expect(Math.abs(noise.reduce((sum, value) => sum + value * value, 0) / 32 - 1)).toBeLessThan(3 * Math.sqrt(2 / 32));
  expect(() => lowResCondition(flat, meaning, { augmentation: 0.6, seed: 0 })).toThrow(
    'the augmentation must be from 0 to 0.5, which the model knows; got 0.6',
  );
  expect(() => lowResCondition(flat.subarray(1), meaning, { augmentation: 0, seed: 0 })).toThrow(
    'lowResCondition: 7 values are no pictures of 2×2×1',
  );
});

test('a picture that is shrunk keeps its mean', () => {
  const picture = Float32Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? -0.5 : 0.5));
  const small = resized(picture, [8, 8, 1], [4, 4]);
  expect(small).toHaveLength(16);
  expect(Math.abs(small.reduce((a, b) => a + b) / 16)).toBeLessThan(0.01);
});
