import type { Dtype, StoredTensor } from './format';
import { dtypes } from './format';
import { readHeader } from './header';

/** The tensors and metadata of a safetensors file. */
export interface Safetensors {
  /** By name, each with the dtype that the file says. */
  readonly tensors: Map<string, StoredTensor & { readonly dtype: Dtype }>;
  /** The file's `__metadata__`: strings by name. */
  readonly metadata: Record<string, string>;
}

/**
 * Reads a safetensors file: a u64 header length, a JSON header `{ name: { dtype, shape, data_offsets } }`, and the raw
 * little-endian data.
 * Nothing in the file is executed, and no more is allocated than the file has bytes, but twice as much for the dtypes
 * F16 and BF16.
 * @throws Error in one line that says what is wrong: another format, which is named where it is known, a truncated
 * file, a header that is not JSON of this form, a dtype that is not known,
 *   offsets that overlap, leave holes, go past the end or do not match the shape.
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const { metadata, entries, data } = readHeader(bytes, bytes.length);
  // A plain view: the slice of a Buffer would share its memory.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset + data, bytes.length - data);
  const tensors: Safetensors['tensors'] = new Map();
  // No byte belongs to two of them, so that all of them together are not larger than the file.
  for (const { name, dtype, shape, start, end } of entries)
    tensors.set(name, { dtype, shape, data: dtypes[dtype].read(plain.slice(start, end).buffer) });
  return { tensors, metadata };
}
