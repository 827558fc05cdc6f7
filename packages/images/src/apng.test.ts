import { describe, expect, test } from '@jest/globals';
import UPNG from 'upng-js';
import { encodeApng } from './apng';
import { withChannels } from './bytes';
import type { ByteImage, Channels } from './image';
import { decodePng } from './png';

const frame = (channels: Channels, k: number): ByteImage => ({
  width: 9,
  height: 5,
  channels,
  data: Uint8Array.from({ length: 45 * channels }, (_, i) => (i * 37 + k * 91) % 256),
});

/** All frames as RGBA, by another decoder. */
function decode(apng: Uint8Array) {
  const image = UPNG.decode(new Uint8Array(apng).buffer);
  return {
    plays: image.tabs.acTL?.num_plays,
    delays: image.frames.map(({ delay }) => delay),
    frames: UPNG.toRGBA8(image).map((rgba) => new Uint8Array(rgba)),
  };
}

describe('encodeApng', () => {
  test.each([1, 3, 4] as const)('keeps every value of %d channels, in order and for their time', (channels) => {
    const frames = [0, 1, 2].map((k) => frame(channels, k));
    const apng = encodeApng(frames, { lastFrameMs: 1500 });
    const { plays, delays, frames: decoded } = decode(apng);
    expect({ plays, delays }).toEqual({ plays: 0, delays: [50, 50, 1500] });
    expect(decoded).toEqual(frames.map((image) => withChannels(image, 4).data));
    // To a reader of plain PNG it is the first frame.
    expect(decodePng(apng)).toEqual(frames[0]);
  });

  test('plays once if asked to', () => {
    expect(decode(encodeApng([frame(1, 0), frame(1, 1)], { repeat: false })).plays).toBe(1);
  });

  test('names what is wrong', () => {
    expect(() => encodeApng([])).toThrow('encodeApng: expected at least one image, got none');
    expect(() => encodeApng([frame(1, 0), frame(3, 0)])).toThrow(
      'encodeApng: image 1 is 9×5×3, but the first is 9×5×1',
    );
    expect(() => encodeApng([frame(1, 0)], { frameMs: 0 })).toThrow(
      'a frame shows for a whole number of 1 to 65535 ms, got 0',
    );
    expect(() => encodeApng([frame(1, 0)], { lastFrameMs: 70000 })).toThrow(
      'a whole number of 1 to 65535 ms, got 70000',
    );
  });
});
