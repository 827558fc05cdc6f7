import type { DType, Shape } from '../graph';
import { sizeOf } from '../graph';
import { localArray } from './host';
import { kindOf } from './realm';

/** A tensor's values, row-major. */
export type TensorData = Float32Array | Int32Array | Uint8Array;

export const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array, int64: undefined };

/** The same data, but where tfjs's cpu backend holds a tensor's values in another type than its own. */
export function asData(data: TensorData, dtype: DType): TensorData {
  const array = arrays[dtype]!;
  return kindOf(data) === array.name ? localArray(data) : array.from(data);
}

/** Zeros. */
export const newData = (size: number, dtype: DType): TensorData => new arrays[dtype]!(size);

/** A view of a tensor's elements from a byte on. */
export const dataAt = (memory: ArrayBufferLike, shape: Shape, dtype: DType, offset: number): TensorData =>
  new arrays[dtype]!(memory as ArrayBuffer, offset, sizeOf(shape));
