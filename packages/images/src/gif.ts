import * as module from 'gifenc';
import { withChannels } from './bytes';
import type { ByteImage } from './image';
import { checkAlike } from './image';
import { quantize } from './quantize';

// Node reads gifenc's CommonJS build, which has only a default export; bundlers read its ES build, whose default is the
// encoder alone.
const { GIFEncoder } = 'GIFEncoder' in module ? module : (module as { default: typeof module }).default;

const grays = Array.from({ length: 256 }, (_, v) => [v, v, v]);

/**
 * An animated GIF. Gray images keep every level, and a frame up to 256 colours; where it has more, 256 are chosen for a
 * small squared error;
 * alpha is blended over white.
 * @param options.frameMs milliseconds that a frame shows; GIF counts in steps of 10
 * @param options.lastFrameMs milliseconds that the last frame shows
 * @param options.repeat whether it starts again
 * @throws RangeError if there is no frame, the frames differ in size or channels, or a side is over 65,535
 */
export function encodeGif(
  frames: readonly ByteImage[],
  {
    frameMs = 50,
    lastFrameMs = frameMs,
    repeat = true,
  }: { frameMs?: number; lastFrameMs?: number; repeat?: boolean } = {},
): Uint8Array {
  checkAlike(frames, 'encodeGif');
  const { width, height } = frames[0];
  if (width > 65535 || height > 65535)
    throw new RangeError(`encodeGif: a GIF's sides are at most 65535, got ${width}×${height}`);
  for (const ms of [frameMs, lastFrameMs]) {
    if (!(ms >= 10 && ms <= 655350)) throw new RangeError(`encodeGif: a frame shows for 10 to 655350 ms, got ${ms}`);
  }

  const gif = GIFEncoder();
  frames.forEach((frame, i) => {
    const delay = i === frames.length - 1 ? lastFrameMs : frameMs;
    const options = { delay, repeat: repeat ? 0 : -1 };
    if (frame.channels === 1) {
      // The palette of the first frame is the whole file's.
      gif.writeFrame(frame.data, width, height, { ...options, palette: i === 0 ? grays : undefined });
    } else {
      const { palette, index } = quantize(withChannels(frame, 3).data);
      gif.writeFrame(index, width, height, { ...options, palette });
    }
  });
  gif.finish();
  return gif.bytes();
}
