import type * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';

/**
 * Repeats x reps[axis] times along each axis. The backend's own kernel computes an index for each element, and is about
 * 50 times slower.
 */
export function tile(original: tf.KernelFunc): (args: KernelArguments) => tf.TensorInfo {
  return (args) => {
    const { inputs, attrs } = args;
    const x = inputs.x;
    const backend = args.backend as WasmBackend;
    if (x.dtype === 'string') return original(args as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
    const { reps } = attrs as { reps: number[] };
    const out = backend.makeOutput(
      x.shape.map((length, axis) => length * reps[axis]),
      x.dtype,
    );
    if (out.shape.includes(0)) return out;
    const target = backend.typedArrayFromHeap(out);
    const source = backend.typedArrayFromHeap(x);
    const strides = (shape: readonly number[]) =>
      shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
    const [from, to] = [strides(x.shape), strides(out.shape)];
    // From this axis on, x is copied as it is: nothing in it is repeated.
    let plain = x.shape.length;
    while (plain > 0 && reps[plain - 1] === 1) plain--;
    const write = (axis: number, sourceAt: number, targetAt: number): void => {
      if (axis === plain) {
        const length = plain === 0 ? source.length : from[plain - 1];
        target.set(source.subarray(sourceAt, sourceAt + length), targetAt);
        return;
      }
      const length = x.shape[axis];
      for (let index = 0; index < length; index++)
        write(axis + 1, sourceAt + index * from[axis], targetAt + index * to[axis]);
      repeat(target, targetAt, length * to[axis], reps[axis]);
    };
    write(0, 0, 0);
    return out;
  };
}

/** Writes the `length` values at `start` again behind themselves until they stand there `times` times. */
function repeat(values: Float32Array | Int32Array | Uint8Array, start: number, length: number, times: number): void {
  if (length === 1) {
    values.fill(values[start], start, start + times);
    return;
  }
  for (let done = 1; done < times; done += Math.min(done, times - done)) {
    values.copyWithin(start + done * length, start, start + Math.min(done, times - done) * length);
  }
}
