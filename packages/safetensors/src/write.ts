import type { Dtype, StoredTensor, TensorData } from './format';
import { dtypes } from './format';

function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Int32Array) return 'I32';
  if (data instanceof Float64Array) return 'F64';
  if (data instanceof BigInt64Array) return 'I64';
  if (data instanceof BigUint64Array) return 'U64';
  if (data instanceof Uint32Array) return 'U32';
  if (data instanceof Int16Array) return 'I16';
  if (data instanceof Uint16Array) return 'U16';
  return data instanceof Int8Array ? 'I8' : 'U8';
}

/**
 * The bytes of a safetensors file. A tensor's dtype follows from its typed array. The same tensors in the same order give the same bytes.
 * @throws RangeError if a shape does not match its data, or a tensor is called `__metadata__`.
 */
export function writeSafetensors(tensors: ReadonlyMap<string, StoredTensor>, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  // Wider elements first, so that each tensor starts at a multiple of its element's size.
  const ordered = [...tensors]
    .map(([name, tensor]) => ({ name, ...tensor, dtype: dtypeOf(tensor.data) }))
    .sort((a, b) => dtypes[b.dtype].size - dtypes[a.dtype].size);

  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let length = 0;
  for (const { name, shape, data, dtype } of ordered) {
    if (name === '__metadata__') throw new RangeError('writeSafetensors: a tensor cannot be called __metadata__');
    if (shape.reduce((product, dimension) => product * dimension, 1) !== data.length) {
      throw new RangeError(`writeSafetensors: ${name} has ${data.length} elements, which is not its shape [${shape.join(', ')}]`);
    }
    entries.push([name, { dtype, shape, data_offsets: [length, (length += data.byteLength)] }]);
  }

  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + length).fill(0x20, 8, 8 + headerLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(json, 8);
  let position = 8 + headerLength;
  for (const { data } of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}
