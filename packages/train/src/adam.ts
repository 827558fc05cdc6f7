import * as tf from '@tensorflow/tfjs-core';
import type { OptimizerFor } from './optimizer';
import { byRule } from './optimizer';

/**
 * Adam (Kingma & Ba 2015, Algorithm 1) with PyTorch's defaults. On plain arrays, the arithmetic of each element is in
 * float64 and stored as float32, so that every engine takes the same step. With `weightDecay` it is AdamW (Loshchilov &
 * Hutter 2019): each parameter also shrinks by learningRate·weightDecay of itself.
 * @param options.beta1 decay of the mean of the gradients
 * @param options.beta2 decay of the mean of their squares
 * @param options.epsilon keeps the step finite where both are near zero
 */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = {}): OptimizerFor {
  return byRule({
    arrays: ['m', 'v'],
    // m̂ = m/(1 − β1^k), v̂ = v/(1 − β2^k)
    numbers: (k, learningRate) => [
      learningRate / (1 - beta1 ** k),
      1 / Math.sqrt(1 - beta2 ** k),
      1 - learningRate * weightDecay,
    ],
    // With all numbers in local variables, since engines then run the loop twice as fast.
    onArrays(parameter, gradient, [m, v], [stepSize, scale, kept]) {
      const [b1, b2, small] = [beta1, beta2, epsilon];
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i];
        const mi = (m[i] = b1 * m[i] + (1 - b1) * g);
        const vi = (v[i] = b2 * v[i] + (1 - b2) * g * g);
        parameter[i] = kept * parameter[i] - (stepSize * mi) / (Math.sqrt(vi) * scale + small);
      }
    },
    onTensors(parameter, gradient, [m, v], [stepSize, scale, kept]) {
      const nextM = tf.add<tf.Tensor1D>(tf.mul(m, beta1), tf.mul(gradient, 1 - beta1));
      const nextV = tf.add<tf.Tensor1D>(tf.mul(v, beta2), tf.mul(tf.square(gradient), 1 - beta2));
      const change = tf.div(tf.mul(nextM, stepSize), tf.add(tf.mul(tf.sqrt(nextV), scale), epsilon));
      return [tf.sub<tf.Tensor1D>(tf.mul(parameter, kept), change), nextM, nextV];
    },
  });
}
