import * as tf from '@tensorflow/tfjs-core';
import { batchMatMul } from './kernels/batch-mat-mul';
import { cast } from './kernels/cast';
import { conv2dBackpropFilter } from './kernels/conv2d-backprop-filter';
import { conv2dBackpropInput } from './kernels/conv2d-backprop-input';
import { depthwiseConv2d, depthwiseConv2dBackpropFilter, depthwiseConv2dBackpropInput } from './kernels/depthwise-conv2d';
import { einsum } from './kernels/einsum';
import { exactPadding } from './kernels/exact-padding';
import { fusedMatMul } from './kernels/fused-mat-mul';
import { maxPoolGrad } from './kernels/max-pool-grad';
import { reverse } from './kernels/reverse';
import { slice, splitV } from './kernels/slice';
import { tile } from './kernels/tile';
import { unsortedSegmentSum } from './kernels/unsorted-segment-sum';
import type { KernelArguments } from './wasm-backend';

type Kernel = (args: KernelArguments) => tf.TensorInfo | tf.TensorInfo[];

/** Kernels that the backend lacks, and kernels in place of its own that are slow or wrong. */
const kernels: Readonly<Record<string, Kernel>> = {
  BatchMatMul: batchMatMul,
  Conv2DBackpropFilter: conv2dBackpropFilter,
  Conv2DBackpropInput: conv2dBackpropInput,
  DepthwiseConv2dNativeBackpropFilter: depthwiseConv2dBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseConv2dBackpropInput,
  Einsum: einsum,
  MaxPoolGrad: maxPoolGrad,
  UnsortedSegmentSum: unsortedSegmentSum,
  _FusedMatMul: fusedMatMul,
};

/** The same, but for kernels that leave some cases to the backend's own. */
const wrappers: Readonly<Record<string, (original: tf.KernelFunc) => Kernel>> = {
  Cast: cast,
  Conv2D: exactPadding(false),
  DepthwiseConv2dNative: (original) => depthwiseConv2d(exactPadding(true)(original)),
  FusedConv2D: exactPadding(false),
  FusedDepthwiseConv2D: exactPadding(true),
  Reverse: reverse,
  Slice: slice,
  SplitV: splitV,
  Tile: tile,
};

let registered = false;

/**
 * Completes the kernels of the `wasm` backend so that networks train on it. Needs @tensorflow/tfjs-backend-wasm to have been imported.
 * Calling it again does nothing.
 */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  const replace = (kernelName: string, kernel: Kernel) => {
    const existing = tf.getKernel(kernelName, 'wasm');
    if (existing) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ ...existing, kernelName, backendName: 'wasm', kernelFunc: kernel as unknown as tf.KernelFunc });
  };
  for (const [name, kernel] of Object.entries(kernels)) replace(name, kernel);
  for (const [name, wrap] of Object.entries(wrappers)) replace(name, wrap(tf.getKernel(name, 'wasm').kernelFunc));
}
