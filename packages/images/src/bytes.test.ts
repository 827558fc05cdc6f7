import { describe, expect, test } from '@jest/globals';
import { fromBytes, toBytes, toImageData, toImages, toRgba, withChannels } from './bytes';
import type { ByteImage, Channels } from './image';

const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);

describe('bytes', () => {
  test('toBytes inverts fromBytes on every byte', () => {
    expect(toBytes(fromBytes(everyByte))).toEqual(everyByte);
    expect([fromBytes(everyByte)[0], fromBytes(everyByte)[255]]).toEqual([-1, 1]);
  });

  test('toBytes clamps and rounds', () => {
    expect([...toBytes([-1.5, -1, -0.998, 0.02, 1, 7, Infinity, -Infinity, NaN])]).toEqual([
      0, 0, 0, 130, 255, 255, 255, 0, 0,
    ]);
  });

  test('toImages cuts a batch', () => {
    const [first, second] = toImages([-1, 1, 1, -1, 0.5, 0.5], [2, 1, 1, 3]);
    expect(first).toEqual({ width: 1, height: 1, channels: 3, data: Uint8Array.of(0, 255, 255) });
    expect([...second.data]).toEqual([0, 191, 191]);
    expect(() => toImages([1, 2], [1, 1, 2, 3])).toThrow('toImages: shape [1, 1, 2, 3] holds 6 values, got 2');
    expect(() => toImages([1, 2], [1, 1, 1, 2])).toThrow('channels must be 1, 3 or 4, got 2');
  });
});

describe('channels', () => {
  const image = (channels: Channels, ...data: number[]): ByteImage => ({
    width: data.length / channels,
    height: 1,
    channels,
    data: Uint8Array.from(data),
  });

  test('every change of channels', () => {
    const gray = { width: 256, height: 1, channels: 1 as const, data: everyByte };
    // Gray survives every detour, so luma weights add up to one.
    expect(withChannels(withChannels(gray, 3), 1)).toEqual(gray);
    expect(withChannels(withChannels(gray, 4), 1)).toEqual(gray);
    expect(withChannels(image(3, 10, 20, 30), 4)).toEqual(image(4, 10, 20, 30, 255));
    expect(withChannels(image(3, 255, 0, 0, 0, 255, 0, 0, 0, 255), 1)).toEqual(image(1, 76, 150, 29));
    // Image.frombytes('RGB', (3, 1), bytes([0, 90, 155, 0, 207, 35, 1, 63, 230])).convert('L').tobytes() of Pillow 12.3
    expect(withChannels(image(3, 0, 90, 155, 0, 207, 35, 1, 63, 230), 1)).toEqual(image(1, 71, 126, 63));
    expect(withChannels(image(4, 0, 100, 200, 255, 7, 7, 7, 0, 0, 0, 0, 51), 3)).toEqual(
      image(3, 0, 100, 200, 255, 255, 255, 204, 204, 204),
    );
    expect(withChannels(image(4, 100, 100, 100, 51), 1, { background: 0 })).toEqual(image(1, 20));
  });

  test('toRgba and toImageData', () => {
    expect([...toRgba(image(1, 5, 9))]).toEqual([5, 5, 5, 255, 9, 9, 9, 255]);
    expect(() => toImageData(image(1, 5))).toThrow('toImageData: ImageData exists only in a browser; use toRgba');
    class FakeImageData {
      constructor(
        readonly data: Uint8ClampedArray,
        readonly width: number,
        readonly height: number,
      ) {}
    }
    Object.assign(globalThis, { ImageData: FakeImageData });
    try {
      const { data, width, height } = toImageData(image(3, 1, 2, 3));
      expect([[...data], width, height]).toEqual([[1, 2, 3, 255], 1, 1]);
    } finally {
      Reflect.deleteProperty(globalThis, 'ImageData');
    }
  });
});
