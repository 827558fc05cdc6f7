import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Fans, Init } from './init';
import { uniforms } from './init';

/** A trainable variable with the given values. */
export function parameter(values: Float32Array, shape: number[]): tf.Variable {
  // Inside tidy, so that only the variable outlives the call.
  return tf.tidy(() => tf.variable(tf.tensor(values, shape, 'float32')));
}

/**
 * Every element drawn from U(−1/√fanIn, 1/√fanIn): PyTorch's default for the weights and biases of linear and
 * convolution layers.
 */
export function uniformParameter(rng: Random, shape: number[], fanIn: number): tf.Variable {
  return parameter(uniforms(rng, tf.util.sizeFromShape(shape), 1 / Math.sqrt(fanIn)), shape);
}

/** A weight as `init` draws it, or else as PyTorch does. */
export function weightParameter(rng: Random, shape: number[], fans: Fans, init?: Init): tf.Variable {
  return init
    ? parameter(init(rng, tf.util.sizeFromShape(shape), fans), shape)
    : uniformParameter(rng, shape, fans.fanIn);
}

/** The bias beside such a weight: zeros where an `init` was given, or else as PyTorch draws it. */
export function biasParameter(rng: Random, size: number, { fanIn }: Fans, init?: Init): tf.Variable {
  return init ? parameter(new Float32Array(size), [size]) : uniformParameter(rng, [size], fanIn);
}
