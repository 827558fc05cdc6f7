import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';

interface Inputs {
  readonly a: tf.Tensor;
  readonly b: tf.Tensor;
  readonly bias?: tf.Tensor;
  readonly preluActivationWeights?: tf.Tensor;
}

interface Attributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation?: string;
  readonly leakyreluAlpha?: number;
}

/**
 * activation(a·b + bias). The backend's own kernel is wrong where a or b is transposed or has a batch: it adds the bias
 * of another column.
 */
export function fusedMatMul({ inputs, attrs }: KernelArguments): tf.TensorInfo {
  const { a, b, bias, preluActivationWeights } = inputs as unknown as Inputs;
  const { transposeA, transposeB, activation = 'linear', leakyreluAlpha } = attrs as unknown as Attributes;
  return tf.tidy(() => {
    const product = tf.matMul(a, b, transposeA, transposeB);
    const sum = bias ? tf.add(product, bias) : product;
    switch (activation) {
      case 'linear':
        return sum;
      case 'relu':
        return tf.relu(sum);
      case 'relu6':
        return tf.relu6(sum);
      case 'elu':
        return tf.elu(sum);
      case 'sigmoid':
        return tf.sigmoid(sum);
      case 'leakyrelu':
        return tf.leakyRelu(sum, leakyreluAlpha);
      case 'prelu':
        return tf.prelu(sum, preluActivationWeights!);
      default:
        throw new RangeError(`fused.matMul: unknown activation "${activation}"`);
    }
  });
}
