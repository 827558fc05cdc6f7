import { registerGradients } from '@ddpm/gradients';
import * as tf from '@tensorflow/tfjs-core';
import { mixedTypes } from './kernels/mixed-types';
import type { Replacement } from './replace-kernels';
import { corrections, replaceKernels } from './replace-kernels';
import { convolutions, fusedConvolution } from './tensorflow/convolutions';
import { pooling } from './tensorflow/pooling';
import type { Kernel } from './tensorflow/tensorflow-backend';

const kernels: Readonly<Record<string, (original: Kernel) => Kernel>> = {
  ...Object.fromEntries(Object.entries(convolutions).map(([name, kernel]) => [name, () => kernel])),
  FusedConv2D: fusedConvolution(false),
  FusedDepthwiseConv2D: fusedConvolution(true),
  ...pooling,
};

const replacements: Readonly<Record<string, Replacement>> = {
  ...corrections,
  ...(kernels as unknown as Record<string, Replacement>),
  Prelu: mixedTypes('x', 'alpha'),
  Select: mixedTypes('t', 'e'),
};

const ours = new WeakSet<object>();

/**
 * Replaces the kernels of the `tensorflow` backend that refuse numbers as padding or mixed types, and completes tfjs's
 * gradients. Needs
 * @tensorflow/tfjs-node or -gpu to have been imported; each import registers the package's own kernels, and calling
 * this again replaces them again.
 */
export function registerTensorFlowKernels(): void {
  registerGradients();
  const kernelOf = (name: string) => (tf.getKernel(name, 'tensorflow') as tf.KernelConfig | undefined)?.kernelFunc;
  const missing = Object.entries(replacements).filter(([name]) => !ours.has(kernelOf(name)!));
  replaceKernels('tensorflow', Object.fromEntries(missing));
  for (const [name] of missing) ours.add(kernelOf(name)!);
}
