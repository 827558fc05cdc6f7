import { zipSync } from 'fflate';

/** Row-major values of the given shape. */
export interface NpzArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint8Array;
}

/** A zip file without the 64-bit extension ends before this, in bytes. */
const MAX_BYTES = 2 ** 32 - 2 ** 20;

/**
 * NumPy's file of arrays by name: `numpy.load(path)[name]`. Stored uncompressed, as `numpy.savez` does; the same arrays
 * give the same bytes.
 * @param arrays float32 or uint8
 * @throws RangeError if a shape does not match its data, a name is empty or holds a slash, or the file would exceed 4
 * GiB
 */
export function encodeNpz(arrays: Readonly<Record<string, NpzArray>>): Uint8Array {
  const entries = Object.entries(arrays).map(([name, array]) => {
    if (!/^[^/\\]+$/.test(name)) throw new RangeError(`encodeNpz: ${JSON.stringify(name)} cannot name an array`);
    return [`${name}.npy`, encodeNpy(name, array)] as const;
  });
  const size = entries.reduce((sum, [, { length }]) => sum + length, 0);
  if (size > MAX_BYTES)
    throw new RangeError(`encodeNpz: ${size} bytes are more than one file can hold (${MAX_BYTES}); write fewer images`);
  // The earliest time that a zip file can say, so that it does not depend on when it was written.
  return zipSync(Object.fromEntries(entries), { level: 0, mtime: new Date(1980, 0, 1) });
}

/**
 * One array in the NPY format, version 1.0 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 */
function encodeNpy(name: string, { shape, data }: NpzArray): Uint8Array {
  if (shape.reduce((product, size) => product * size, 1) !== data.length) {
    throw new RangeError(`encodeNpz: ${name} has ${data.length} values, which is not its shape [${shape.join(', ')}]`);
  }
  const dtype = data[Symbol.toStringTag] === 'Float32Array' ? '<f4' : '|u1';
  // A tuple of one needs its comma.
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Ten bytes come before the text, and the values begin at a multiple of 64.
  const start = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + data.byteLength);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0]);
  new DataView(bytes.buffer).setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(`${text.padEnd(start - 11)}\n`), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}
