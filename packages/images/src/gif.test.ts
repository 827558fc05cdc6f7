import { expect, test } from '@jest/globals';
import sharp from 'sharp';
import { encodeGif } from './gif';
import type { ByteImage } from './image';

/** All frames as RGB, by another decoder. */
async function decode(gif: Uint8Array) {
  const { pages = 1, delay, loop } = await sharp(gif, { animated: true }).metadata();
  const { data, info } = await sharp(gif, { animated: true }).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const size = data.length / pages;
  const frames = Array.from({ length: pages }, (_, i) => data.subarray(i * size, (i + 1) * size));
  return { delay, loop, width: info.width, frames };
}

test('gray frames keep every level, in their order and for their time', async () => {
  const frames = [0, 1, 2].map((k): ByteImage => ({
    width: 16,
    height: 16,
    channels: 1,
    data: Uint8Array.from({ length: 256 }, (_, i) => (i * 7 + k * 31) % 256),
  }));
  const { delay, loop, frames: decoded } = await decode(encodeGif(frames, { lastFrameMs: 1500 }));
  expect(delay).toEqual([50, 50, 1500]);
  expect(loop).toBe(0);
  decoded.forEach((rgb, k) => expect(frames[k].data).toEqual(Uint8Array.from(rgb.filter((_, i) => i % 3 === 0))));
});

const colourFrame = (width: number, height: number, colour: (x: number, y: number) => number[]): ByteImage => ({
  width,
  height,
  channels: 3,
  data: Uint8Array.from(
    Array.from({ length: width * height }, (_, i) => colour(i % width, Math.floor(i / width))).flat(),
  ),
});

test('frames with up to 256 colours keep them, each frame its own', async () => {
  const frames = [
    // Ten that differ by a level of red, and 256 that differ in all channels.
    colourFrame(16, 16, (x, y) => [100 + ((x + 3 * y) % 10), 100, 100]),
    colourFrame(16, 16, (x, y) => [x * 16 + y, (x * 7) % 256, y * 3]),
  ];
  const { frames: decoded, width } = await decode(encodeGif(frames, { frameMs: 100 }));
  expect(width).toBe(16);
  decoded.forEach((rgb, k) => expect([...rgb]).toEqual([...frames[k].data]));
});

/**
 * Pillow 13.0's result for a picture of too many colours, as the mean difference of a channel
 * (scripts/compare-gif.mjs):
 * Image.fromarray(a).quantize(256, method=m), m = 0 (median cut, which save uses), 1 (maximum coverage), 2 (octree).
 */
test.each([
  {
    name: '2,048 in a plane',
    frame: colourFrame(64, 32, (x, y) => [96 + x, 112 + y, 128]),
    pillow: [0.459, 0.43, 2.667],
  },
  {
    name: '2,048 in a slanted plane',
    frame: colourFrame(64, 32, (x, y) => [4 * x, 8 * y, 2 * (x + y)]),
    pillow: [3.41, 3.112, 4.8],
  },
  {
    name: '4,092 in waves',
    frame: colourFrame(64, 64, (x, y) => {
      const [u, v] = [x / 63, y / 63];
      return [Math.sin(3 * u + 2 * v), Math.cos(4 * u * v + 1), Math.sin(5 * (u - v))].map((wave) =>
        Math.round(127.5 + 127.5 * wave),
      );
    }),
    pillow: [5.693, 5.44, 7.61],
  },
])('$name: colours are as near as Pillow brings them, to a fifth', async ({ frame, pillow }) => {
  const { frames } = await decode(encodeGif([frame]));
  const error = frames[0].reduce((sum, value, i) => sum + Math.abs(value - frame.data[i]), 0) / frame.data.length;
  // Pillow's best of three, each of which is behind somewhere.
  expect(error).toBeLessThan(Math.min(...pillow) * 1.2);
});

test('alpha is blended over white', async () => {
  const frame: ByteImage = { width: 1, height: 1, channels: 4, data: Uint8Array.of(0, 0, 0, 0) };
  expect([...(await decode(encodeGif([frame]))).frames[0]]).toEqual([255, 255, 255]);
});

test('names what is wrong', () => {
  const frame: ByteImage = { width: 1, height: 1, channels: 1, data: Uint8Array.of(0) };
  expect(() => encodeGif([])).toThrow('encodeGif: expected at least one image, got none');
  expect(() => encodeGif([frame], { frameMs: 0 })).toThrow('a frame shows for 10 to 655350 ms, got 0');
  expect(() => encodeGif([{ width: 65536, height: 1, channels: 1, data: new Uint8Array(65536) }])).toThrow(
    "a GIF's sides are at most 65535",
  );
});
