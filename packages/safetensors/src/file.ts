import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Dtype, TensorData } from './format';
import { dtypes } from './format';
import { headerSize, readHeader } from './header';

/** A tensor that stays in its file until it is read. */
export interface FileTensor {
  readonly dtype: Dtype;
  /** Sizes of the axes; empty for a single number. */
  readonly shape: readonly number[];
  /**
   * Its row-major values, of F16 and BF16 as float32, read anew at every call.
   * @throws Error in one line if the file has changed since it was opened, or cannot be read
   */
  read(): TensorData;
}

/** A safetensors file of which the header alone has been read. */
export interface SafetensorsFile {
  /** By name. */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** The file's `__metadata__`: strings by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Node reads no more at a time. */
const MOST = 2 ** 30;
/** Bytes by which other formats are told. */
const START = 200;

/**
 * Opens a safetensors file, of whatever size: its header is read and checked, and of its tensors each when it is asked
 * for, from where it lies in the file, which must stay there unchanged.
 * @throws Error in one line that says what is wrong, as `readSafetensors` does, or that the file cannot be read
 */
export function openSafetensors(path: string): SafetensorsFile {
  const { size, mtimeMs, metadata, entries, data } = withFile(path, (file) => {
    const { size, mtimeMs } = fstatSync(file);
    const length = headerSize(bytesAt(file, 0, Math.min(size, START)), size);
    return { size, mtimeMs, ...readHeader(bytesAt(file, 0, Math.max(length, Math.min(size, START))), size) };
  });
  const read = (start: number, end: number): ArrayBuffer =>
    withFile(path, (file) => {
      const now = fstatSync(file);
      if (now.size !== size || now.mtimeMs !== mtimeMs)
        throw new Error(`safetensors: ${path} has changed since it was opened`);
      return bytesAt(file, data + start, end - start).buffer;
    });
  const tensors = entries.map(
    ({ name, dtype, shape, start, end }) =>
      [name, { dtype, shape, read: () => dtypes[dtype].read(read(start, end)) }] as const,
  );
  return { tensors: new Map(tensors), metadata };
}

function withFile<T>(path: string, work: (file: number) => T): T {
  const file = openSync(path, 'r');
  try {
    return work(file);
  } finally {
    closeSync(file);
  }
}

/** So many bytes, from a place in the file on. */
function bytesAt(file: number, position: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = readSync(file, bytes, done, Math.min(MOST, length - done), position + done);
    if (count === 0) throw new Error(`safetensors: the file ends ${length - done} bytes early`);
    done += count;
  }
  return bytes;
}
