import type * as tf from '@tensorflow/tfjs-core';

/** The part of the `NodeJSKernelBackend` of @tensorflow/tfjs-node that these kernels use. */
export interface TensorFlowBackend extends tf.KernelBackend {
  readonly binding: Readonly<Record<'TF_ATTR_INT' | 'TF_ATTR_STRING' | 'TF_ATTR_TYPE' | 'TF_FLOAT', number>>;
  readonly isUsingGpuDevice: boolean;
  executeSingleOutput(operation: string, attributes: readonly Attribute[], inputs: readonly tf.TensorInfo[]): tf.Tensor;
}

/** An attribute of one of TensorFlow's operations. */
export interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: number | string | readonly number[];
}

/** A kernel as the registry calls it. */
export interface KernelArguments {
  readonly inputs: Readonly<Record<string, tf.Tensor>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: TensorFlowBackend;
}

export type Kernel = (args: KernelArguments) => tf.Tensor;
