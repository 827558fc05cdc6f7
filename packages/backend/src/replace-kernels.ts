import * as tf from '@tensorflow/tfjs-core';
import { checkedIndices } from './kernels/checked-indices';
import { einsum } from './kernels/einsum';
import { mixedTypes } from './kernels/mixed-types';
import type { KernelArguments } from './wasm-backend';

/** A kernel, of the one that the backend has itself: undefined where it has none. */
export type Replacement = (original: tf.KernelFunc) => (args: KernelArguments) => tf.TensorInfo | tf.TensorInfo[];

/** Puts kernels in the place of a backend's own. */
export function replaceKernels(backendName: string, replacements: Readonly<Record<string, Replacement>>): void {
  for (const [kernelName, replacement] of Object.entries(replacements)) {
    const existing = tf.getKernel(kernelName, backendName) as tf.KernelConfig | undefined;
    if (existing) tf.unregisterKernel(kernelName, backendName);
    const kernelFunc = replacement(existing?.kernelFunc as tf.KernelFunc) as unknown as tf.KernelFunc;
    tf.registerKernel({ ...existing, kernelName, backendName, kernelFunc });
  }
}

/** Kernels that cpu has wrong, and wasm too. */
export const corrections: Readonly<Record<string, Replacement>> = {
  Concat: mixedTypes(),
  Einsum: () => einsum,
  GatherNd: checkedIndices('gatherND', ({ inputs }) => inputs.params.shape),
  ScatterNd: checkedIndices('scatterND', ({ attrs }) => attrs!.shape as number[]),
};
