import { einsum as sumProducts } from '@ddpm/gradients';
import type * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';

/**
 * Einstein summation, by other kernels. cpu's own is an error or wrong where a letter stands in one tensor alone, and
 * wasm has none.
 */
export function einsum({ inputs, attrs }: KernelArguments): tf.TensorInfo {
  const { equation } = attrs as { equation: string };
  return sumProducts(equation, ...Object.keys(inputs).map((key) => inputs[key] as tf.Tensor));
}
