/** An array from an IDX file: `shape` sizes, the last one fastest. */
export interface IdxArray {
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Uint8Array;
}

/**
 * Reads an uncompressed IDX file of unsigned bytes, the format of MNIST (http://yann.lecun.com/exdb/mnist):
 * 0, 0, type 8, number of sizes, each size as 32-bit big-endian, then the values. The data is a view, not a copy.
 * @throws RangeError if it is not such a file, or is shorter or longer than its sizes say
 */
export function parseIdx(bytes: Uint8Array): IdxArray {
  const { shape, start, length } = parseIdxHeader(bytes);
  const found = bytes.length - start;
  if (found < length)
    throw new RangeError(`IDX: truncated, ${product(shape)} values need ${length} bytes, got ${found}`);
  if (found > length) throw new RangeError(`IDX: ${found - length} bytes too many after ${product(shape)} values`);
  return { shape, data: bytes.subarray(start) };
}

/**
 * The header of an IDX file: its sizes, where the values begin, and how many bytes they are.
 * @throws RangeError if it is not the beginning of such a file, or not all of the header
 */
export function parseIdxHeader(bytes: Uint8Array): { shape: number[]; start: number; length: number } {
  if (bytes.length < 4) throw new RangeError(`IDX: truncated, ${bytes.length} bytes is less than a header`);
  const [zero, zeroToo, type, rank] = bytes;
  if (zero !== 0 || zeroToo !== 0) throw new RangeError('IDX: not an IDX file (it does not begin with two zero bytes)');
  if (type !== 8) throw new RangeError(`IDX: only type 8 (unsigned bytes) is read, got type ${type}`);
  if (rank === 0) throw new RangeError('IDX: no sizes');
  const start = 4 + 4 * rank;
  if (bytes.length < start)
    throw new RangeError(`IDX: truncated, ${rank} sizes need ${start} bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  return { shape, start, length: shape.reduce((product, size) => product * size, 1) };
}

/** Sizes as a message shows them. */
const product = (shape: readonly number[]) => (shape.length > 8 ? `${shape.slice(0, 8).join('×')}×…` : shape.join('×'));
