import { registerGradients } from '@ddpm/gradients';
import { batchMatMul } from './kernels/batch-mat-mul';
import { cast } from './kernels/cast';
import { conv2dBackpropFilter } from './kernels/conv2d-backprop-filter';
import { conv2dBackpropInput } from './kernels/conv2d-backprop-input';
import {
  depthwiseConv2d,
  depthwiseConv2dBackpropFilter,
  depthwiseConv2dBackpropInput,
} from './kernels/depthwise-conv2d';
import { exactPadding } from './kernels/exact-padding';
import { fusedMatMul } from './kernels/fused-mat-mul';
import { maxPoolGrad } from './kernels/max-pool-grad';
import { mixedTypes } from './kernels/mixed-types';
import { reverse } from './kernels/reverse';
import { slice, splitV } from './kernels/slice';
import { tile } from './kernels/tile';
import { unsortedSegmentSum } from './kernels/unsorted-segment-sum';
import type { Replacement } from './replace-kernels';
import { corrections, replaceKernels } from './replace-kernels';

/** Kernels that the backend lacks, and kernels in place of its own that are slow or wrong. */
const kernels = {
  BatchMatMul: batchMatMul,
  Conv2DBackpropFilter: conv2dBackpropFilter,
  Conv2DBackpropInput: conv2dBackpropInput,
  DepthwiseConv2dNativeBackpropFilter: depthwiseConv2dBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseConv2dBackpropInput,
  MaxPoolGrad: maxPoolGrad,
  UnsortedSegmentSum: unsortedSegmentSum,
  _FusedMatMul: fusedMatMul,
};

/** The same, but for kernels that leave some cases to the backend's own. */
const wrappers: Readonly<Record<string, Replacement>> = {
  Cast: cast,
  Conv2D: exactPadding(false),
  DepthwiseConv2dNative: (original) => depthwiseConv2d(exactPadding(true)(original)),
  FusedConv2D: exactPadding(false),
  FusedDepthwiseConv2D: exactPadding(true),
  Prelu: mixedTypes('x', 'alpha'),
  Reverse: reverse,
  Select: mixedTypes('t', 'e'),
  Slice: slice,
  SplitV: splitV,
  Tile: tile,
};

let registered = false;

/**
 * Completes the kernels of the `wasm` backend, and tfjs's gradients, so that networks train on it. Needs
 * @tensorflow/tfjs-backend-wasm to have been imported. Calling it again does nothing.
 */
export function registerWasmKernels(): void {
  registerGradients();
  if (registered) return;
  registered = true;
  replaceKernels('wasm', Object.fromEntries(Object.entries(kernels).map(([name, kernel]) => [name, () => kernel])));
  replaceKernels('wasm', { ...corrections, ...wrappers });
}
