import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';

/** A box of x. The backend's own kernel first copies the whole of x out of the heap. */
export function slice(original: tf.KernelFunc): (args: KernelArguments) => tf.TensorInfo {
  return (args) => {
    const { inputs, attrs } = args;
    const x = inputs.x!;
    const backend = args.backend as WasmBackend;
    if (x.dtype === 'string') return original(args as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
    const { begin, size } = attrs as { begin: number | number[]; size: number | number[] };
    const [from, shape] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
    tf.slice_util.assertParamsValid(x, from, shape);
    const out = backend.makeOutput(shape, x.dtype);
    if (shape.includes(0)) return out;
    copyBox(backend.typedArrayFromHeap(x), x.shape, from, shape, backend.typedArrayFromHeap(out));
    return out;
  };
}

/** Copies a box of `source`, which has the shape `whole`, run by run: the axes at the end that are taken whole belong to one run. */
function copyBox(source: Values, whole: number[], from: number[], shape: number[], target: Values): void {
  const strides = [...tf.util.computeStrides(whole), 1];
  let axis = shape.length - 1;
  while (axis > 0 && shape[axis] === whole[axis]) axis--;
  if (shape.length === 0) return target.set(source);
  const run = shape[axis]! * strides[axis]!;
  let written = 0;
  const visit = (level: number, start: number): void => {
    const here = start + from[level]! * strides[level]!;
    if (level === axis) {
      target.set(source.subarray(here, here + run), written);
      written += run;
      return;
    }
    for (let index = 0; index < shape[level]!; index++) visit(level + 1, here + index * strides[level]!);
  };
  visit(0, 0);
}

type Values = Float32Array | Int32Array | Uint8Array;
