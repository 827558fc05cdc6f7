import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';

/**
 * Refuses indices that are not inside, each in its own axis: cpu's own kernels look at where a row of them leads as a
 * whole, and wasm's read and write outside the tensor. indices: [..., axes].
 * @param name how the operation is called
 * @param into the shape that the indices point into
 */
export const checkedIndices =
  (name: string, into: (args: KernelArguments) => readonly number[]) =>
  (original: tf.KernelFunc) =>
  (args: KernelArguments): tf.TensorInfo => {
    const indices = args.inputs.indices as tf.Tensor;
    const shape = into(args);
    const axes = indices.shape.at(-1)!;
    (tf.engine().readSync(indices.dataId) as Int32Array).forEach((index, i) => {
      const axis = i % axes;
      if (index >= 0 && index < shape[axis]) return;
      throw new RangeError(
        `${name}: the index ${index} is not in [0, ${shape[axis] - 1}], axis ${axis} of [${shape.join(', ')}]`,
      );
    });
    return original(args as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
  };
