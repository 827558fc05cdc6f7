import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';

/**
 * Casts inputs of several types to the widest of them, float32 before int32 before bool, so that nothing is lost: the
 * backends' own kernels write all that they are given as the first one's type.
 * @param names the inputs to cast; all, if they are a list
 */
export const mixedTypes =
  (...names: string[]) =>
  (original: tf.KernelFunc) =>
  (args: KernelArguments): tf.TensorInfo => {
    const { inputs } = args;
    const keys = Array.isArray(inputs) ? Object.keys(inputs) : names;
    const types = keys.map((key) => inputs[key].dtype);
    const call = (changed: KernelArguments['inputs']) =>
      original({ ...args, inputs: changed } as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
    if (types.every((type) => type === types[0])) return call(inputs);
    const widest = types.reduce((wide, type) => tf.upcastType(wide, type));
    return tf.tidy(() => {
      const changed = (Array.isArray(inputs) ? [...(inputs as tf.TensorInfo[])] : { ...inputs }) as Record<
        string,
        tf.TensorInfo
      >;
      for (const key of keys) changed[key] = tf.cast(inputs[key] as tf.Tensor, widest);
      const result = call(changed);
      // tfjs-node's kernels return tensors, the others what a tensor is made of.
      return 'rank' in result ? (result as tf.Tensor) : tf.engine().makeTensorFromTensorInfo(result);
    });
  };
