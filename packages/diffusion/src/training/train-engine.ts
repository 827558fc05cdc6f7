import type { Arrays, Optimizer } from './adam';
import { adam } from './adam';
import { ema } from './ema';
import type { TrainEngine } from './engine';
import type { GradientFunction } from './gradients';

/** What an engine is made from; `parameters` and `gradients` are needed. */
export interface TrainEngineOptions {
  /** The initial parameters by name; the engine works on a copy. */
  parameters: Arrays;
  /** Computes loss and gradients: `eagerGradients`, or compiled ones. */
  gradients: GradientFunction;
  /** `adam()` by default. */
  optimizer?: Optimizer;
  /** Gradients whose L2 norm over all parameters is larger are scaled down to this norm; by default none are. */
  clipNorm?: number;
  /** Keeps a moving average of the weights with this decay, such as 0.9999. */
  emaDecay?: number;
  /** Frees what the gradient function holds. */
  dispose?: () => void;
}

/** Arrays of a state that do not fit, which a message names at most. */
const NAMED = 5;

/**
 * An engine whose gradients come from any function, and whose parameters and optimizer live in plain arrays. A step whose loss or gradient
 * is not finite is not taken.
 */
export function trainEngine({ parameters, gradients, optimizer = adam(), clipNorm, emaDecay, dispose }: TrainEngineOptions): TrainEngine {
  const current = new Map([...parameters].map(([name, values]) => [name, values.slice()]));
  const average = emaDecay === undefined ? undefined : ema(current, { decay: emaDecay });
  return {
    async step(batch, { learningRate }) {
      const { loss, losses, gradients: unclipped } = await gradients(current, batch);
      const gradNorm = globalNorm(unclipped);
      const skipped = !Number.isFinite(loss) || !Number.isFinite(gradNorm);
      if (!skipped) {
        const clipped = clipNorm !== undefined && gradNorm > clipNorm ? scaled(unclipped, clipNorm / gradNorm) : unclipped;
        optimizer.update(current, clipped, learningRate);
        average?.update(current);
      }
      return { loss, gradNorm, skipped, ...(losses && { losses }) };
    },
    parameters: () => current,
    averaged: () => average?.weights ?? current,
    state() {
      const state = new Map<string, Float32Array>([...current].map(([name, values]) => [`parameters/${name}`, values.slice()]));
      for (const [name, values] of optimizer.state()) state.set(`optimizer/${name}`, values);
      for (const [name, values] of average?.state() ?? []) state.set(`ema/${name}`, values);
      return Promise.resolve(state);
    },
    restore(state) {
      const lengths = new Map<string, number>([['optimizer/step', 1]]);
      for (const [name, { length }] of current) {
        lengths.set(`parameters/${name}`, length);
        // A moment exists from the first step on.
        if (state.get('optimizer/step')?.[0] !== 0) lengths.set(`optimizer/m/${name}`, length).set(`optimizer/v/${name}`, length);
        if (average) lengths.set(`ema/weights/${name}`, length);
      }
      if (average) lengths.set('ema/updates', 1);
      const wrong = [
        ...[...lengths]
          .filter(([key, length]) => state.get(key)?.length !== length)
          .map(
            ([key, length]) => `${key} ${state.has(key) ? `should have ${length} elements, not ${state.get(key)!.length}` : 'is missing'}`,
          ),
        ...[...state.keys()].filter((key) => !lengths.has(key)).map((key) => `${key} is not part of this engine's state`),
      ];
      if (wrong.length > 0) {
        const more = wrong.length > NAMED ? `; and ${wrong.length - NAMED} more` : '';
        return Promise.reject(new Error(`TrainEngine.restore: ${wrong.slice(0, NAMED).join('; ')}${more}`));
      }
      const under = (prefix: string) =>
        new Map([...state].filter(([key]) => key.startsWith(prefix)).map(([key, values]) => [key.slice(prefix.length), values]));
      for (const [name, values] of current) values.set(state.get(`parameters/${name}`)!);
      optimizer.restore(under('optimizer/'));
      average?.restore(under('ema/'));
      return Promise.resolve();
    },
    dispose: () => dispose?.(),
  };
}

/** The L2 norm over all arrays together, in float64. */
function globalNorm(arrays: Arrays): number {
  let sum = 0;
  for (const values of arrays.values()) for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}

/** New arrays, each element times the factor. */
function scaled(arrays: Arrays, factor: number): Arrays {
  const result = new Map<string, Float32Array>();
  for (const [name, values] of arrays) {
    const out = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) out[i] = values[i] * factor;
    result.set(name, out);
  }
  return result;
}
