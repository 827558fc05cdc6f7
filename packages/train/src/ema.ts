import { prefixed, under } from './state';
import type { Arrays, State, Values } from './task';

/**
 * An exponential moving average of the weights, which samples better than the weights themselves: after update k = 0,
 * 1, …, ema ← d·ema + (1 − d)·weights with d = min(decay, (1 + k)/(10 + k)), so that the beginning is forgotten soon.
 */
export interface Ema {
  /** By name; the average's own arrays. */
  readonly weights: Arrays;
  /** Takes the weights after a step into the average. */
  update(parameters: Arrays): void;
  /** The average itself, valid until the next update, and the number of updates. */
  state(): State;
  /** Goes on from where `state()` was taken. */
  restore(state: State): void;
}

/**
 * A moving average of weights.
 * @param initial the weights that the average begins with; they are copied
 * @param options.decay the weight of the past, in the long run
 */
export function ema(initial: Arrays, { decay = 0.9999 } = {}): Ema {
  const weights = new Map([...initial].map(([name, values]) => [name, values.slice()]));
  let updates = 0;
  return {
    weights,
    update(parameters) {
      const d = decayOf(updates++, decay);
      for (const [name, average] of weights) mix(average, parameters.get(name)!, d);
    },
    state: () => new Map<string, Values>([['updates', Float64Array.of(updates)], ...prefixed('weights/', weights)]),
    restore(state) {
      updates = state.get('updates')![0];
      for (const [name, values] of under('weights/', state)) weights.get(name)!.set(values);
    },
  };
}

/** d of an update k = 0, 1, … */
export const decayOf = (k: number, decay: number): number => Math.min(decay, (1 + k) / (10 + k));

/** average ← d·average + (1 − d)·values. */
function mix(average: Float32Array, values: Float32Array, d: number): void {
  for (let i = 0; i < average.length; i++) average[i] = d * average[i] + (1 - d) * values[i];
}
