import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';

type Values = Float32Array | Int32Array | Uint8Array;

/**
 * The box of x that begins at `begin` and has the size `size`. The backend's own kernel first copies the whole of x out
 * of the heap.
 */
export function slice(original: tf.KernelFunc): (args: KernelArguments) => tf.TensorInfo {
  return (args) => {
    const x = args.inputs.x;
    if (x.dtype === 'string') return original(args as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
    const { begin, size } = args.attrs as { begin: number | number[]; size: number | number[] };
    const [from, shape] = tf.slice_util.parseSliceParams(x, begin, size);
    tf.slice_util.assertParamsValid(x, from, shape);
    return box(args.backend as WasmBackend, x, from, shape);
  };
}

/** x in pieces along one axis: `numOrSizeSplits` equal ones, or ones of these sizes. */
export function splitV(original: tf.KernelFunc): (args: KernelArguments) => tf.TensorInfo | tf.TensorInfo[] {
  return (args) => {
    const x = args.inputs.x;
    if (x.dtype === 'string') return original(args as Parameters<tf.KernelFunc>[0]);
    const { numOrSizeSplits, axis } = args.attrs as { numOrSizeSplits: number | number[]; axis: number };
    const along = tf.util.parseAxisParam(axis, x.shape)[0];
    let start = 0;
    return tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along).map((length) => {
      const only = (value: number, others: readonly number[]) =>
        others.map((other, index) => (index === along ? value : other));
      const piece = box(args.backend as WasmBackend, x, only(start, x.shape.map(() => 0)), only(length, x.shape)); // prettier-ignore
      start += length;
      return piece;
    });
  };
}

/** Copies a box of x run by run: the axes at the end that are taken whole belong to one run. */
function box(backend: WasmBackend, x: tf.TensorInfo, from: readonly number[], shape: number[]): tf.TensorInfo {
  const out = backend.makeOutput(shape, x.dtype);
  if (shape.includes(0)) return out;
  const target: Values = backend.typedArrayFromHeap(out);
  const source: Values = backend.typedArrayFromHeap(x);
  const strides = x.shape.map((_, axis) => tf.util.sizeFromShape(x.shape.slice(axis + 1)));
  let last = shape.length - 1;
  while (last > 0 && shape[last] === x.shape[last]) last--;
  const run = last < 0 ? 1 : shape[last] * strides[last];
  let written = 0;
  const copy = (axis: number, start: number): void => {
    const here = axis < 0 ? 0 : start + from[axis] * strides[axis];
    if (axis === last) {
      target.set(source.subarray(here, here + run), written);
      written += run;
      return;
    }
    for (let index = 0; index < shape[axis]; index++) copy(axis + 1, here + index * strides[axis]);
  };
  copy(Math.min(0, last), 0);
  return out;
}
