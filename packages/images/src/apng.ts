import { Buffer } from 'node:buffer';
import type { ByteImage } from './image';
import { checkAlike } from './image';
import { encodePng } from './png';
import { PNG_SIGNATURE, pngChunkBytes, pngChunks } from './png-chunks';

/**
 * An animated PNG (https://www.w3.org/TR/png-3/#apng-frame-based-animation): every level and colour is kept, and a
 * program that knows only PNG shows the first frame.
 * @param options.frameMs milliseconds that a frame shows
 * @param options.lastFrameMs milliseconds that the last frame shows
 * @param options.repeat whether it starts again
 * @throws RangeError if there is no frame, or the frames differ in size or channels
 */
export function encodeApng(
  frames: readonly ByteImage[],
  {
    frameMs = 50,
    lastFrameMs = frameMs,
    repeat = true,
  }: { frameMs?: number; lastFrameMs?: number; repeat?: boolean } = {},
): Uint8Array {
  checkAlike(frames, 'encodeApng');
  for (const ms of [frameMs, lastFrameMs]) {
    if (!Number.isInteger(ms) || ms < 1 || ms > 65535) {
      throw new RangeError(`encodeApng: a frame shows for a whole number of 1 to 65535 ms, got ${ms}`);
    }
  }
  const { width, height } = frames[0];
  const parts: Uint8Array[] = [PNG_SIGNATURE];
  // Frame controls and frame data are numbered in one sequence.
  let sequence = 0;
  frames.forEach((frame, i) => {
    const png = pngChunks(encodePng(frame));
    const control = words(sequence++, width, height, 0, 0, 0, 0);
    control.setUint16(20, i === frames.length - 1 ? lastFrameMs : frameMs);
    control.setUint16(22, 1000);
    // After the delay come two zeros: the frame is left as it is, and replaces all that was there.
    const fcTL = pngChunkBytes({ type: 'fcTL', data: new Uint8Array(control.buffer, 0, 26) });
    const pixels = png.filter(({ type }) => type === 'IDAT').map(({ data }) => data);
    if (i === 0) {
      parts.push(
        pngChunkBytes(png[0]),
        pngChunkBytes({ type: 'acTL', data: bytesOf(words(frames.length, repeat ? 0 : 1)) }),
        fcTL,
      );
      parts.push(...pixels.map((data) => pngChunkBytes({ type: 'IDAT', data })));
    } else {
      const data = Buffer.concat([bytesOf(words(sequence++)), ...pixels]);
      parts.push(fcTL, pngChunkBytes({ type: 'fdAT', data }));
    }
  });
  parts.push(pngChunkBytes({ type: 'IEND', data: new Uint8Array(0) }));
  return new Uint8Array(Buffer.concat(parts));
}

/** 32-bit big-endian numbers one after another. */
function words(...values: number[]): DataView {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return view;
}

const bytesOf = ({ buffer }: DataView) => new Uint8Array(buffer);
