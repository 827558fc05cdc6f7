import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { Random } from '@ddpm/random';
import { resize, resizeToCover } from './resize';

const random = new Random(3);
const noise = (n: number) => Uint8Array.from(random.integers(n, 256));

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
    // Output 4 lies at 2.25 in input centres' units, a quarter before input 2's centre at 2.5: weights (−9, 111, 29,
    // −3) / 128, mirrored.
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

  // Pillow 12.3.0, and 11.3.0 alike, with f = lambda i: (31*i*i + 7*i) % 256:
  // Image.frombytes(mode, (5, 4), bytes(f(i) for i in range(20 * len(mode)))).resize((w, h), Image.BICUBIC).tobytes()
  const picture = (n: number) => Uint8Array.from({ length: n }, (_, i) => 31 * i * i + 7 * i);
  test.each([
    [1, [57, 118, 72, 147, 172, 113]],
    [3, [112, 65, 138, 154, 64, 200, 83, 146, 146, 161, 105, 149, 152, 188, 146, 161, 165, 116]],
    [
      4,
      [183, 183, 86, 71, 212, 77, 111, 121, 198, 198, 138, 90, 180, 121, 90, 99, 170, 105, 86, 106, 165, 91, 190, 126],
    ],
  ])('is Pillow’s, to the bit, when it shrinks %d channels', (c, expected) => {
    expect([...resize(picture(20 * c), [4, 5, c], [2, 3])]).toEqual(expected);
  });

  test.each([
    [3, [8, 10], 'cb54c86ac27beb727920e3e2cf3545bb02f1619560bb6ba712001ad720f172e7'],
    [4, [8, 10], '586e30e1344630b470fcedd9a40914b8dac4b94c8dd6ce6ca878ba2bfb103ff0'],
    [3, [9, 7], 'bed47c2aa31a96facb94336cccca67bc108728b8b8f67ef5c3bd049043bb3f17'],
    [4, [9, 7], 'f1be889b00b308894b13ffd063f8b944ebf559e58a72103a805f5e333d20af50'],
  ] as const)('is Pillow’s, to the bit, when it enlarges %d channels to %j', (c, size, sha256) => {
    const out = resize(picture(20 * c), [4, 5, c], size);
    expect(createHash('sha256').update(out).digest('hex')).toBe(sha256);
  });

  test('what is transparent does not colour what is beside it', () => {
    // Clear red beside opaque blue.
    const out = resize(Uint8Array.of(255, 0, 0, 0, 0, 0, 255, 255), [1, 2, 4], [1, 4]);
    for (let p = 4; p < 16; p += 4) expect([...out.subarray(p, p + 3)]).toEqual([0, 0, 255]);
  });
});

test('resizeToCover cuts parts of pixels evenly, as Pillow’s ImageOps.fit does', () => {
  // The picture above as ('L', (7, 5)); ImageOps.fit(picture, (3, 3), Image.BICUBIC).tobytes(), and to (9, 6)
  const pixels = Uint8Array.from({ length: 35 }, (_, i) => 31 * i * i + 7 * i);
  expect([...resizeToCover(pixels, [5, 7, 1], [3, 3])]).toEqual([99, 77, 117, 130, 125, 147, 155, 122, 166]);
  expect([...resizeToCover(pixels, [5, 7, 1], [6, 9])].slice(0, 18)).toEqual([
    1, 25, 91, 125, 46, 21, 28, 78, 140, 19, 176, 148, 20, 90, 198, 204, 186, 199,
  ]);
});
