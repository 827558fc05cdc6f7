import type { Dtype, StoredTensor, TensorData } from './format';
import { dtypes, halved, shortened } from './format';

/** By the arrays' tags: an array of another realm, as under a test runner, is no instance of this one's type. */
const dtypesByTag: Readonly<Record<string, Dtype | undefined>> = {
  Float64Array: 'F64',
  Float32Array: 'F32',
  BigInt64Array: 'I64',
  BigUint64Array: 'U64',
  Int32Array: 'I32',
  Uint32Array: 'U32',
  Int16Array: 'I16',
  Uint16Array: 'U16',
  Int8Array: 'I8',
  Uint8Array: 'U8',
};

/** The types that float32 may be written as instead, and how. */
const narrowed: Readonly<Partial<Record<Dtype, (values: Float32Array) => Uint16Array>>> = {
  F16: halved,
  BF16: shortened,
};

/** A tensor's data as they are written. */
function encoded(name: string, { data, dtype }: StoredTensor): { data: TensorData; dtype: Dtype } {
  const own = dtypeOf(name, data);
  if (dtype === undefined || dtype === own || (dtype === 'BOOL' && own === 'U8')) return { data, dtype: dtype ?? own };
  const narrow = own === 'F32' ? narrowed[dtype] : undefined;
  if (!narrow) throw new RangeError(`writeSafetensors: ${name} is ${own}, which cannot be written as ${dtype}`);
  return { data: narrow(data as Float32Array), dtype };
}

function dtypeOf(name: string, data: TensorData): Dtype {
  const tag = data[Symbol.toStringTag] as string | undefined;
  const dtype = dtypesByTag[tag ?? ''];
  if (!dtype)
    throw new TypeError(
      `writeSafetensors: ${name} must be one of ${Object.keys(dtypesByTag).join(', ')}; got ${tag ?? typeof data}`,
    );
  return dtype;
}

/**
 * The bytes of a safetensors file. A tensor's dtype is the one it names, or else
 * follows from its typed array. The same tensors in the same order
 * give the same bytes.
 * @throws TypeError if the data are of another kind of array, which has no dtype.
 * @throws RangeError if a shape does not match its data, a dtype neither, or a tensor is called `__metadata__`.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  // Wider elements first, so that each tensor starts at a multiple of its element's size.
  const ordered = [...tensors]
    .map(([name, tensor]) => ({ name, shape: tensor.shape, ...encoded(name, tensor) }))
    .sort((a, b) => dtypes[b.dtype].size - dtypes[a.dtype].size);

  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let length = 0;
  for (const { name, shape, data, dtype } of ordered) {
    if (name === '__metadata__') throw new RangeError('writeSafetensors: a tensor cannot be called __metadata__');
    if (shape.reduce((product, dimension) => product * dimension, 1) !== data.length) {
      throw new RangeError(
        `writeSafetensors: ${name} has ${data.length} elements, which is not its shape [${shape.join(', ')}]`,
      );
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
