import type { Arrays, Optimizer } from './adam';
import { adam } from './adam';
import type { TrainEngine } from './engine';
import type { GradientFunction } from './gradients';

export interface TrainEngineOptions {
  /** The initial parameters by name; the engine works on a copy. */
  parameters: Arrays;
  gradients: GradientFunction;
  optimizer?: Optimizer;
  /** Frees what the gradient function holds. */
  dispose?: () => void;
}

/** An engine whose gradients come from any function, and whose parameters and optimizer live in plain arrays. */
export function trainEngine({ parameters, gradients, optimizer = adam(), dispose }: TrainEngineOptions): TrainEngine {
  const current = new Map([...parameters].map(([name, values]) => [name, values.slice()]));
  return {
    async step(batch, { learningRate }) {
      const result = await gradients(current, batch);
      optimizer.update(current, result.gradients, learningRate);
      return { loss: result.loss, gradNorm: globalNorm(result.gradients) };
    },
    parameters: () => current,
    state() {
      const state = new Map<string, Float32Array>();
      for (const [name, values] of current) state.set(`parameters/${name}`, values.slice());
      for (const [name, values] of optimizer.state()) state.set(`optimizer/${name}`, values);
      return Promise.resolve(state);
    },
    restore(state) {
      const optimizerState = new Map<string, Float32Array>();
      const restored = new Set<string>();
      for (const [key, values] of state) {
        const [kind, name] = splitOnce(key);
        if (kind === 'optimizer') optimizerState.set(name, values);
        else if (kind === 'parameters' && current.get(name)?.length === values.length) restored.add(name);
        else
          return Promise.reject(new Error(`TrainEngine.restore: ${key} with ${values.length} elements is not part of this engine's state`));
      }
      for (const name of current.keys()) {
        if (!restored.has(name)) return Promise.reject(new Error(`TrainEngine.restore: parameters/${name} is missing`));
      }
      for (const [name, values] of current) values.set(state.get(`parameters/${name}`)!);
      optimizer.restore(optimizerState);
      return Promise.resolve();
    },
    dispose: () => dispose?.(),
  };
}

function splitOnce(key: string): [string, string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/** The L2 norm over all arrays together, in float64. */
function globalNorm(arrays: Arrays): number {
  let sum = 0;
  for (const values of arrays.values()) for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}
