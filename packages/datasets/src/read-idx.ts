import { constants, gunzipSync } from 'node:zlib';
import type { IdxArray } from './idx';
import { parseIdx, parseIdxHeader } from './idx';

/**
 * The bytes of a file that may be gzipped.
 * @param maxBytes what it may inflate to at most, so that a small file cannot fill the memory
 * @throws RangeError if the gzip data is damaged, truncated, or inflates to more
 */
export function inflate(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ERR_BUFFER_TOO_LARGE' ? `it inflates to more than ${maxBytes} bytes` : message;
    throw new RangeError(`gzip: damaged or truncated (${reason})`, { cause: error });
  }
}

/** A header is no longer: 255 sizes. */
const MAX_HEADER = 4 + 4 * 255;
/**
 * Bytes beyond what a header says that are still counted, for the message; with more, the file is refused before it
 * fills the memory.
 */
const EXCESS = 2 ** 20;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not. See `parseIdx`.
 * @param options.maxBytes the most that is read, once inflated
 * @throws RangeError with one line if it is damaged, truncated, too long, or inflates to more than `maxBytes`, or far
 * more than it says
 */
export function readIdx(bytes: Uint8Array, { maxBytes = 2 ** 30 } = {}): IdxArray {
  const stated = statedBytes(bytes);
  if (stated > maxBytes && stated < Infinity)
    throw new RangeError(`IDX: it says that it has ${stated} bytes; at most ${maxBytes} are read`);
  return parseIdx(inflate(bytes, Math.min(maxBytes, stated + EXCESS)));
}

/** How long a gzipped IDX file says it is, as far as its first kilobytes show. */
function statedBytes(bytes: Uint8Array): number {
  let head: Uint8Array;
  try {
    // The beginning alone does not end as gzip should; flushing gives what there is.
    head = gunzipSync(bytes.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return Infinity;
  }
  if (head.length < MAX_HEADER) return Infinity;
  const { start, length } = parseIdxHeader(head);
  return start + length;
}
