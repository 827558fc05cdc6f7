import type { Dtype, StoredTensor } from '@ddpm/safetensors';
import { dtypes } from '@ddpm/safetensors';
import { fail } from './bytes';

/**
 * A tensor of a file. Its `data`, row-major, are read from the file when they are first asked for: a view of the file's
 * bytes where those lie so, otherwise a copy, which is kept.
 */
export type TorchTensor = StoredTensor & {
  /** The type of its elements in PyTorch, by safetensors' names. F16 and BF16 are widened to float32, which is exact. */
  readonly dtype: Dtype;
};

/** The memory that tensors are views of. */
export interface Storage {
  readonly id: string;
  /** The type of its elements; undefined for an untyped one, which is counted in bytes. */
  readonly dtype?: Dtype;
  /** How many elements it has. */
  readonly length: number;
  readonly bigEndian: boolean;
  /** Its bytes from `start` to before `end`. */
  read(start: number, end: number): Uint8Array;
}

/** How a tensor lies in its storage, in elements. */
export interface Layout {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

const product = (sizes: readonly number[]) => sizes.reduce((total, size) => total * size, 1);

/**
 * A tensor by what `torch._utils._rebuild_tensor_v2` is given.
 * @throws Error if it does not lie within its storage
 */
export function tensorOf(storage: Storage, dtype: Dtype, { offset, shape, strides }: Layout): TorchTensor {
  const { size } = dtypes[dtype];
  const count = product(shape);
  const last = count === 0 ? -1 : shape.reduce((at, length, axis) => at + (length - 1) * strides[axis], offset);
  const length = storage.dtype === undefined ? Math.floor(storage.length / size) : storage.length;
  if (storage.dtype !== undefined && storage.dtype !== dtype) fail(`a storage of ${storage.dtype} is used as ${dtype}`);
  if (!(last < length)) {
    fail(`a tensor of [${shape.slice(0, 8).join(', ')}] reaches element ${last} of a storage of ${length}`);
  }
  const read = () => {
    if (count === 0) return dtypes[dtype].read(new ArrayBuffer(0));
    let bytes = storage.read(offset * size, (last + 1) * size);
    if (!isContiguous(shape, strides)) bytes = gather(bytes, size, shape, strides);
    if (storage.bigEndian && size > 1) bytes = reversed(bytes, size);
    if (bytes.byteOffset % size !== 0) bytes = Uint8Array.from(bytes);
    return dtypes[dtype].read(bytes.buffer, bytes.byteOffset, count);
  };
  let data: ReturnType<typeof read> | undefined;
  return {
    dtype,
    shape,
    get data() {
      return (data ??= read());
    },
  };
}

/** Whether the elements lie one after the other, in row-major order. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** Elements of `size` bytes in row-major order, from where the strides say. */
function gather(bytes: Uint8Array, size: number, shape: readonly number[], strides: readonly number[]): Uint8Array {
  const out = new Uint8Array(size * product(shape));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to += size) {
    for (let byte = 0; byte < size; byte++) out[to + byte] = bytes[from + byte];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis] * size;
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * size * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

/** Elements of `size` bytes with their bytes in the other order. */
function reversed(bytes: Uint8Array, size: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  for (let at = 0; at < out.length; at += size) out.subarray(at, at + size).reverse();
  return out;
}
