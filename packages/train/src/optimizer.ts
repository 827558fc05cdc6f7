import type * as tf from '@tensorflow/tfjs-core';
import { prefixed, under } from './state';
import type { Arrays, State, Values } from './task';

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
export interface OptimizerFor {
  (parameters: Arrays): Optimizer;
  /** Its formula, where it has one: by that, parameters can be changed on a device. */
  readonly rule?: UpdateRule;
}

/** An optimizer's formula, which is the same for every element of every parameter. */
export interface UpdateRule {
  /** The arrays that it keeps beside the parameters, by name, all zero at first. */
  readonly arrays: readonly string[];
  /** The numbers of step k = 1, 2, … */
  numbers(k: number, learningRate: number): readonly number[];
  /** Changes a parameter and its arrays in place, in float64. */
  onArrays(
    parameter: Float32Array,
    gradient: Float32Array,
    arrays: readonly Float32Array[],
    numbers: readonly number[],
  ): void;
  /** The next values of the parameter and its arrays, [n] each. */
  onTensors(
    parameter: tf.Tensor1D,
    gradient: tf.Tensor1D,
    arrays: readonly tf.Tensor1D[],
    numbers: readonly tf.Scalar[],
  ): tf.Tensor1D[];
}

/** The optimizer of a formula, on plain arrays. */
export const byRule = (rule: UpdateRule): OptimizerFor =>
  Object.assign(
    (initial: Arrays): Optimizer => {
      let step = 0;
      const kept = rule.arrays.map(() => zerosLike(initial));
      return {
        update(parameters, gradients, learningRate) {
          const numbers = rule.numbers(++step, learningRate);
          for (const [name, parameter] of parameters) {
            const gradient = gradients.get(name) ?? new Float32Array(parameter.length);
            const arrays = kept.map((array) => array.get(name)!);
            rule.onArrays(parameter, gradient, arrays, numbers);
          }
        },
        state: () => stateOf(rule, step, kept),
        restore(state) {
          const restored = fromState(rule, state);
          step = restored.step;
          for (const [i, array] of kept.entries())
            for (const [name, values] of array) values.set(restored.arrays[i].get(name)!);
        },
      };
    },
    { rule },
  );

/** How it is saved: the number of steps, and each array by its name and the parameter's. */
export const stateOf = (rule: UpdateRule, step: number, arrays: readonly Arrays[]): State =>
  new Map<string, Values>([
    ['step', Float64Array.of(step)],
    ...rule.arrays.flatMap((name, i) => prefixed(`${name}/`, arrays[i])),
  ]);

/** The number of steps and the arrays of a state by `stateOf`. */
export const fromState = (
  rule: UpdateRule,
  state: State,
): { readonly step: number; readonly arrays: readonly Arrays[] } => ({
  step: state.get('step')![0],
  arrays: rule.arrays.map((name) => under(`${name}/`, state) as Arrays),
});

/** An array of zeros for each parameter. */
export const zerosLike = (parameters: Arrays): ReadonlyMap<string, Float32Array> =>
  new Map([...parameters].map(([name, { length }]) => [name, new Float32Array(length)]));
