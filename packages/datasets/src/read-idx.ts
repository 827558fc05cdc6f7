import { gunzipSync } from 'node:zlib';
import { parseIdx, type IdxArray } from './idx';

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

/**
 * Reads an IDX file of unsigned bytes, gzipped or not. See `parseIdx`.
 * @throws RangeError with one line if it is damaged, truncated, too long, or inflates to more than `maxBytes`
 */
export function readIdx(bytes: Uint8Array, { maxBytes = 2 ** 31 } = {}): IdxArray {
  return parseIdx(inflate(bytes, maxBytes));
}
