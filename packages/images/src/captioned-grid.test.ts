import { expect, test } from '@jest/globals';
import type { ByteImage } from './image';
import { captionedGrid } from './captioned-grid';

const filled = (value: number): ByteImage => ({
  width: 2,
  height: 2,
  channels: 1,
  data: new Uint8Array(4).fill(value),
});

test('images as squares of pixels in rows, each with its words below', () => {
  const grid = captionedGrid([filled(0), filled(100), filled(200)], ['a', '<b> & c', ''], { columns: 2, cell: 40 });
  const at = (x: number, y: number) => grid.data[3 * (y * grid.width + x)];
  expect([grid.width, grid.channels]).toEqual([8 + 2 * 48, 3]);
  const rowHeight = (grid.height - 8) / 2;
  expect([at(8, 8), at(47, 47), at(56, 8), at(8, 8 + rowHeight), at(3, 3)]).toEqual([0, 0, 100, 200, 255]);
  const ink = (left: number, top: number) => {
    let dark = 0;
    for (let y = top; y < top + rowHeight - 48; y++)
      for (let x = left; x < left + 40; x++) dark += Number(at(x, y) < 128);
    return dark;
  };
  expect(ink(8, 50)).toBeGreaterThan(3);
  expect(ink(56, 50)).toBeGreaterThan(ink(8, 50));
  expect(ink(8, 50 + rowHeight)).toBe(0);
});

test('long captions are broken at spaces, and make room for all', () => {
  const [one, three] = ['red', 'red hat, long green hair'].map((caption) =>
    captionedGrid([filled(0)], [caption], { cell: 60 }),
  );
  expect(three.height - one.height).toBe(2 * 13);
  expect(three.width).toBe(one.width);
  expect(() => captionedGrid([filled(0)], [])).toThrow('captionedGrid: expected 1 captions, one for each image, got 0');
});
