import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { Bytes } from './bytes';

/**
 * A file on disk, of which only those parts are read that are asked for: a checkpoint may be larger than memory. It is
 * opened anew for each part, so that there is nothing to close.
 * @throws Error if there is no such file, or, when a part is read, it has become shorter
 */
export function fileBytes(path: string): Bytes {
  const length = statSync(path).size;
  return {
    length,
    subarray(start, end) {
      const bytes = new Uint8Array(end - start);
      const file = openSync(path, 'r');
      try {
        for (let done = 0; done < bytes.length;) {
          const count = readSync(file, bytes, done, bytes.length - done, start + done);
          if (count === 0) throw new Error(`${path} ends at byte ${start + done}; it had ${length} bytes`);
          done += count;
        }
      } finally {
        closeSync(file);
      }
      return bytes;
    },
  };
}
