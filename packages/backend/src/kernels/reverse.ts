import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';

/**
 * x with the order along some axes reversed. The backend's own kernel is used where the last axis is one of them; it
 * goes by elements.
 */
export function reverse(original: tf.KernelFunc): (args: KernelArguments) => tf.TensorInfo {
  return (args) => {
    const x = args.inputs.x;
    const { dims } = args.attrs as { dims: number | number[] };
    const axes = tf.util.parseAxisParam(dims, x.shape);
    const run = tf.util.sizeFromShape(x.shape.slice(Math.max(-1, ...axes) + 1));
    if (run < 16 || x.dtype === 'string') return original(args as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
    const backend = args.backend as WasmBackend;
    const out = backend.makeOutput(x.shape, x.dtype);
    const target = backend.typedArrayFromHeap(out);
    const source = backend.typedArrayFromHeap(x);
    const strides = x.shape.map((_, axis) => tf.util.sizeFromShape(x.shape.slice(axis + 1)));
    let written = 0;
    const copy = (axis: number, start: number): void => {
      if (axis > Math.max(-1, ...axes)) {
        target.set(source.subarray(start, start + run), written);
        written += run;
        return;
      }
      const length = x.shape[axis];
      const backwards = axes.includes(axis);
      for (let index = 0; index < length; index++)
        copy(axis + 1, start + (backwards ? length - 1 - index : index) * strides[axis]);
    };
    copy(0, 0);
    return out;
  };
}
