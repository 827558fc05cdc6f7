import type { OptimizerFor } from './optimizer';
import { zerosLike } from './optimizer';
import { prefixed, under } from './state';

/**
 * Stochastic gradient descent with momentum as PyTorch has it: v ← momentum·v + g, parameter ← parameter −
 * learningRate·v.
 * @param options.momentum 0 is plain descent
 */
export function sgd({ momentum = 0 } = {}): OptimizerFor {
  return (initial) => {
    const velocities = zerosLike(initial);
    return {
      update(parameters, gradients, learningRate) {
        for (const [name, parameter] of parameters) {
          const [velocity, gradient] = [velocities.get(name)!, gradients.get(name)];
          for (let i = 0; i < parameter.length; i++) {
            velocity[i] = momentum * velocity[i] + (gradient?.[i] ?? 0);
            parameter[i] -= learningRate * velocity[i];
          }
        }
      },
      state: () => new Map(prefixed('v/', velocities)),
      restore(state) {
        for (const [name, values] of under('v/', state)) velocities.get(name)!.set(values);
      },
    };
  };
}
