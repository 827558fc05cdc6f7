import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';

/**
 * x in another type. The backend's own kernel makes a bool of a number by cutting it to a byte: 0.5 would be false, and
 * -1 would be 255.
 */
export function cast(original: tf.KernelFunc): (args: KernelArguments) => tf.TensorInfo {
  return (args) => {
    const x = args.inputs.x as tf.Tensor;
    if (args.attrs!.dtype !== 'bool' || x.dtype === 'bool')
      return original(args as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
    return tf.tidy(() => tf.notEqual(x, tf.zerosLike(x)));
  };
}
