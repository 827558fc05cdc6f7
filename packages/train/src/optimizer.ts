import type { Arrays, State } from './task';

/**
 * Changes parameters in place, given their gradients. Its state has the same names and lengths from the beginning on.
 */
export interface Optimizer {
  /** One step. A parameter without a gradient counts as one whose gradient is zero. */
  update(parameters: Arrays, gradients: Arrays, learningRate: number): void;
  /** The optimizer's own arrays by name, valid until the next step. */
  state(): State;
  /** Goes on from where `state()` was taken; names and lengths have been checked. */
  restore(state: State): void;
}

/** An optimizer for these parameters, such as `adam()`. */
export type OptimizerFor = (parameters: Arrays) => Optimizer;

/** An array of zeros for each parameter. */
export const zerosLike = (parameters: Arrays): ReadonlyMap<string, Float32Array> =>
  new Map([...parameters].map(([name, { length }]) => [name, new Float32Array(length)]));
