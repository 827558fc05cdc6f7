import * as tf from '@tensorflow/tfjs-core';
import type { OptimizerFor } from './optimizer';
import { byRule } from './optimizer';

/**
 * Stochastic gradient descent with momentum as PyTorch has it: v ← momentum·v + g, parameter ← parameter −
 * learningRate·v.
 * @param options.momentum 0 is plain descent
 */
export function sgd({ momentum = 0 } = {}): OptimizerFor {
  return byRule({
    arrays: ['v'],
    numbers: (_, learningRate) => [learningRate],
    onArrays(parameter, gradient, [velocity], [learningRate]) {
      for (let i = 0; i < parameter.length; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i];
        parameter[i] -= learningRate * velocity[i];
      }
    },
    onTensors(parameter, gradient, [velocity], [learningRate]) {
      const next = tf.add<tf.Tensor1D>(tf.mul(velocity, momentum), gradient);
      return [tf.sub(parameter, tf.mul(next, learningRate)), next];
    },
  });
}
