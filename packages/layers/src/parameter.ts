import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** A trainable variable with the given values. */
export function parameter(values: Float32Array, shape: number[]): tf.Variable {
  // Inside tidy, so that only the variable outlives the call.
  return tf.tidy(() => tf.variable(tf.tensor(values, shape, 'float32')));
}

/** Every element drawn from U(−1/√fanIn, 1/√fanIn): PyTorch's default for the weights and biases of linear and convolution layers. */
export function uniformParameter(rng: Random, shape: number[], fanIn: number): tf.Variable {
  const bound = 1 / Math.sqrt(fanIn);
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => (2 * rng.uniform() - 1) * bound);
  return parameter(values, shape);
}
