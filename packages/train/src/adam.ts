import type { OptimizerFor } from './optimizer';
import { zerosLike } from './optimizer';
import { prefixed, under } from './state';
import type { Values } from './task';

/**
 * Adam (Kingma & Ba 2015, Algorithm 1) with PyTorch's defaults, on plain arrays: the arithmetic of each element is in
 * float64 and stored as float32, so that every engine takes the same step. With `weightDecay` it is AdamW (Loshchilov &
 * Hutter 2019): each parameter also shrinks by learningRate·weightDecay of itself.
 * @param options.beta1 decay of the mean of the gradients
 * @param options.beta2 decay of the mean of their squares
 * @param options.epsilon keeps the step finite where both are near zero
 */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = {}): OptimizerFor {
  return (initial) => {
    let step = 0;
    const [m, v] = [zerosLike(initial), zerosLike(initial)];
    return {
      update(parameters, gradients, learningRate) {
        step++;
        // m̂ = m/(1 − β1^k), v̂ = v/(1 − β2^k)
        const stepSize = learningRate / (1 - beta1 ** step);
        const kept = 1 - learningRate * weightDecay;
        const scale = 1 / Math.sqrt(1 - beta2 ** step);
        for (const [name, parameter] of parameters) {
          const gradient = gradients.get(name) ?? new Float32Array(parameter.length);
          change(parameter, gradient, m.get(name)!, v.get(name)!, { beta1, beta2, epsilon, stepSize, scale, kept });
        }
      },
      state: () =>
        new Map<string, Values>([['step', Float64Array.of(step)], ...prefixed('m/', m), ...prefixed('v/', v)]),
      restore(state) {
        step = state.get('step')![0];
        for (const [name, values] of under('m/', state)) m.get(name)!.set(values);
        for (const [name, values] of under('v/', state)) v.get(name)!.set(values);
      },
    };
  };
}

/**
 * The step of one parameter. A function of its own, with its numbers in local variables, since engines then run the
 * loop twice as fast.
 */
function change(
  parameter: Float32Array,
  gradient: Float32Array,
  m: Float32Array,
  v: Float32Array,
  {
    beta1,
    beta2,
    epsilon,
    stepSize,
    scale,
    kept,
  }: Record<'beta1' | 'beta2' | 'epsilon' | 'stepSize' | 'scale' | 'kept', number>,
): void {
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i];
    const mi = (m[i] = beta1 * m[i] + (1 - beta1) * g);
    const vi = (v[i] = beta2 * v[i] + (1 - beta2) * g * g);
    parameter[i] = kept * parameter[i] - (stepSize * mi) / (Math.sqrt(vi) * scale + epsilon);
  }
}
