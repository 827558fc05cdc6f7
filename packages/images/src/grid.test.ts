import { expect, test } from '@jest/globals';
import { enlarge, imageGrid } from './grid';
import type { ByteImage } from './image';

const pixel = (value: number): ByteImage => ({ width: 1, height: 1, channels: 1, data: Uint8Array.of(value) });
const rows = ({ data, width }: ByteImage) =>
  Array.from({ length: data.length / width }, (_, y) => [...data.subarray(y * width, (y + 1) * width)]);

test('imageGrid lays images out row by row', () => {
  expect(rows(imageGrid([1, 2, 3, 4, 5].map(pixel), { columns: 3, padding: 1, background: 9 }))).toEqual([
    [9, 9, 9, 9, 9, 9, 9],
    [9, 1, 9, 2, 9, 3, 9],
    [9, 9, 9, 9, 9, 9, 9],
    [9, 4, 9, 5, 9, 9, 9],
    [9, 9, 9, 9, 9, 9, 9],
  ]);
});

test('imageGrid chooses the columns that make the picture near square', () => {
  const columns = (n: number, width: number, height: number) =>
    imageGrid(new Array(n).fill({ width, height, channels: 1, data: new Uint8Array(width * height) }), { padding: 0 })
      .width / width;
  expect([1, 2, 3, 4, 5, 9, 10, 64].map((n) => columns(n, 1, 1))).toEqual([1, 2, 2, 2, 3, 3, 4, 8]);
  expect(columns(8, 2, 1)).toBe(2);
  expect(columns(8, 1, 2)).toBe(4);
});

test('imageGrid keeps colour, and is opaque between RGBA images', () => {
  const image: ByteImage = { width: 1, height: 1, channels: 4, data: Uint8Array.of(1, 2, 3, 4) };
  const { data } = imageGrid([image], { padding: 1 });
  expect([...data.subarray(0, 4), ...data.subarray(16, 20)]).toEqual([0, 0, 0, 255, 1, 2, 3, 4]);
});

test('enlarge repeats pixels', () => {
  const image: ByteImage = { width: 2, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  const row = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6];
  expect(enlarge(image, 2)).toEqual({ width: 4, height: 2, channels: 3, data: Uint8Array.from([...row, ...row]) });
  expect(enlarge(image, 1)).toEqual(image);
});

test('names what is wrong', () => {
  expect(() => imageGrid([])).toThrow('imageGrid: expected at least one image, got none');
  expect(() => imageGrid([pixel(1), { ...pixel(2), channels: 3, data: new Uint8Array(3) }])).toThrow(
    'image 1 is 1×1×3, but the first is 1×1×1',
  );
  expect(() => imageGrid([{ ...pixel(1), width: 2 }])).toThrow('a 2×1×1 image has 2 bytes, got 1');
  expect(() => imageGrid([pixel(1)], { columns: 0 })).toThrow('columns must be a whole number of at least 1, got 0');
  expect(() => imageGrid([pixel(1)], { padding: -1 })).toThrow('padding must be a whole number of at least 0, got -1');
  expect(() => enlarge(pixel(1), 0.5)).toThrow('factor must be a whole number of at least 1, got 0.5');
});
