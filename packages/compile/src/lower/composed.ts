import { einsum } from '@ddpm/gradients';
import type * as tf from '@tensorflow/tfjs-core';

/** Kernels that are computed by other operations of tfjs, which are recorded in their turn. */
export const composed: Readonly<Record<string, tf.KernelFunc>> = {
  Einsum: ({ inputs, attrs }) => {
    const { equation } = attrs as unknown as { equation: string };
    return einsum(equation, ...(Object.values(inputs) as tf.Tensor[]));
  },
};
