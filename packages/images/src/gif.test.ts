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

test('colour frames with up to 256 colours are close, each with its own palette', async () => {
  const frames = [0, 1].map((k): ByteImage => ({
    width: 8,
    height: 8,
    channels: 3,
    data: Uint8Array.from({ length: 192 }, (_, i) => (k === 0 ? (i * 29) % 256 : 255 - ((i * 13) % 256))),
  }));
  const { frames: decoded, width } = await decode(encodeGif(frames, { frameMs: 100 }));
  expect(width).toBe(8);
  // The encoder counts colours in 5 or 6 bits a channel.
  decoded.forEach((rgb, k) => rgb.forEach((value, i) => expect(Math.abs(value - frames[k].data[i])).toBeLessThanOrEqual(8)));
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
