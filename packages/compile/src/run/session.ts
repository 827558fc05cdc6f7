import type { Tensor } from 'onnxruntime-node';
import type { DType, Shape } from '../graph';
import { sizeOf } from '../graph';
import type { TensorData } from './data';
import { arrays } from './data';
import { hostArray, localArray } from './host';
import { ort } from './ort';

/** A view of the data as ORT takes it; nothing is copied. */
export function ortTensor(data: TensorData, shape: Shape, dtype: DType): Tensor {
  return new ort.Tensor(dtype as 'float32', hostArray(data as Float32Array), shape);
}

/** The data of a tensor of ORT's. */
export const dataOf = (tensor: Tensor): TensorData => localArray(tensor.data as TensorData);

/** Room for a result: zeros. */
export function newTensor(shape: Shape, dtype: DType): Tensor {
  const size = sizeOf(shape);
  const data = dtype === 'int64' ? new BigInt64Array(size) : new arrays[dtype](size);
  return new ort.Tensor(dtype as 'float32', hostArray(data) as Float32Array, shape);
}

/** Tensors of the given shapes that lie one after the other in `data`. */
export function tensorsOf(data: Float32Array, shapes: readonly Shape[]): Tensor[] {
  let offset = 0;
  return shapes.map((shape) => {
    const from = offset;
    offset += sizeOf(shape);
    return ortTensor(data.subarray(from, offset), shape, 'float32');
  });
}
