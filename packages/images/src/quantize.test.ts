import { expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import { quantize } from './quantize';

const squared = (rgb: Uint8Array, palette: readonly number[][], p: number, k: number) =>
  [0, 1, 2].reduce((sum, c) => sum + (palette[k][c] - rgb[3 * p + c]) ** 2, 0);

test('far colours stay, and near ones become their mean', () => {
  // 255 corners of a lattice, and a cluster of 27 far from all of them, one colour of it three times.
  const lattice = Array.from({ length: 255 }, (_, i) => [
    40 * (i % 6),
    40 * (Math.floor(i / 6) % 6),
    30 * Math.floor(i / 36),
  ]);
  const cluster = Array.from({ length: 27 }, (_, i) => [
    240 + (i % 3),
    240 + (Math.floor(i / 3) % 3),
    249 + Math.floor(i / 9),
  ]);
  const pixels = [...cluster, ...lattice, cluster[26], cluster[26]];
  const { palette, index } = quantize(Uint8Array.from(pixels.flat()));
  const shown = Array.from(index, (k) => palette[k]);
  expect(shown.slice(27, 27 + 255)).toEqual(lattice);
  expect(new Set(shown.slice(0, 27).map(String))).toEqual(new Set(['241,241,250']));
});

test('every pixel gets the nearest colour, the same every time', () => {
  const rng = new Random(1);
  const rgb = Uint8Array.from({ length: 3 * 3000 }, () => rng.integer(256));
  const { palette, index } = quantize(rgb);
  expect(palette).toHaveLength(256);
  for (let p = 0; p < index.length; p++) {
    const nearest = Math.min(...palette.map((_, k) => squared(rgb, palette, p, k)));
    if (squared(rgb, palette, p, index[p]) !== nearest) throw new Error(`pixel ${p} is not at its nearest`);
  }
  expect(quantize(rgb.slice())).toEqual({ palette, index });
});

test('one colour, one pixel', () => {
  expect(quantize(Uint8Array.of(1, 2, 3))).toEqual({ palette: [[1, 2, 3]], index: Uint8Array.of(0) });
});
