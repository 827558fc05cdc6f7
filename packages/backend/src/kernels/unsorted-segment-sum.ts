import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';

/**
 * out[s] = Σ of the x[i] whose segmentIds[i] is s; ids outside 0 … numSegments − 1 are left out. x: [n, ...rest],
 * segmentIds: [n] int32 → [numSegments, ...rest]. This is the gradient of gather.
 */
export function unsortedSegmentSum({ inputs, attrs, backend: any }: KernelArguments): tf.TensorInfo {
  const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
  const { numSegments } = attrs as { numSegments: number };
  const backend = any as WasmBackend;
  if (segmentIds.shape.length !== 1) {
    throw new RangeError(
      `unsortedSegmentSum: expected segmentIds of rank 1, got shape [${segmentIds.shape.join(', ')}]`,
    );
  }
  const rest = x.shape.slice(1);
  const size = tf.util.sizeFromShape(rest);
  const out = backend.makeOutput([numSegments, ...rest], x.dtype);
  const sums = backend.typedArrayFromHeap(out).fill(0);
  const values = backend.typedArrayFromHeap(x);
  backend.typedArrayFromHeap(segmentIds).forEach((segment, row) => {
    if (segment < 0 || segment >= numSegments) return;
    for (let index = 0; index < size; index++) sums[segment * size + index] += values[row * size + index];
  });
  return out;
}
