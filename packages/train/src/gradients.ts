import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from './batch';
import { count, tensors } from './batch';
import type { Arrays, Task } from './task';

/** Loss and gradients of a batch. */
export interface GradientsResult {
  /** The mean of the task's loss over the batch. */
  readonly loss: number;
  /**
   * Of that mean, by parameter; valid until the next call. A parameter that the loss does not depend on may be missing.
   */
  readonly gradients: Arrays;
  /** Every loss of each example, by the names that the task gives them, row-major; `loss` among them. */
  readonly losses: Arrays;
}

/**
 * Loss and gradients of a batch at given parameters, wherever they are computed: by tfjs, compiled, in parts, by
 * several processes.
 */
export interface Gradients {
  (parameters: Arrays, batch: Batch): Promise<GradientsResult>;
  /** Frees what computes them. */
  dispose(): Promise<void>;
  /**
   * Keeps parameters where their gradients are computed, and with them other arrays as long as they are. Absent where
   * that is this process's own memory.
   * @param rule how all of them change: a pure function of tensors, element by element
   * @param arrays what they begin with: the parameters, and the other arrays
   */
  readonly keep?: (rule: KeptRule, arrays: readonly Arrays[]) => Promise<Kept>;
}

/**
 * The next values of the parameters and of the arrays beside them.
 * @param values those of now, [n] each
 * @param gradient [n]
 * @param numbers the same for all elements
 */
export type KeptRule = (
  values: readonly tf.Tensor1D[],
  gradient: tf.Tensor1D,
  numbers: readonly tf.Scalar[],
) => tf.Tensor[];

/** Parameters, and arrays beside them, on a device such as a GPU. */
export interface Kept {
  /** The loss of a batch, and the sum of the squares of its gradient's elements; the gradient stays on the device. */
  gradients(batch: Batch): Promise<Omit<GradientsResult, 'gradients'> & { readonly squares: number }>;
  /** Changes all arrays by the rule and the gradient that has been computed last. */
  update(numbers: readonly number[]): Promise<void>;
  /** Copies of the arrays. */
  read(): Promise<readonly Arrays[]>;
  /** Sets the arrays. */
  write(arrays: readonly Arrays[]): Promise<void>;
}

/**
 * A task's loss and gradients by the tfjs backend that is active. Needs tfjs's gradients: import `@tensorflow/tfjs`
 * once in the application.
 * The task's variables are set to the values that each call is given.
 * @throws RangeError, when called, if a loss is not one number for each example
 */
export function eagerGradients({ loss, parameters }: Pick<Task, 'loss' | 'parameters'>): Gradients {
  const variables = [...parameters.values()];
  const run = async (values: Arrays, batch: Batch): Promise<GradientsResult> => {
    const n = count(batch);
    let losses = new Map<string, tf.Tensor>();
    const { value, grads } = tf.tidy(() => {
      for (const [name, variable] of parameters) variable.assign(tf.tensor(values.get(name)!, variable.shape));
      const inputs = tensors(batch);
      return tf.variableGrads(() => {
        const terms = loss(inputs);
        losses = new Map(Object.entries(checkLosses(terms, n)).map(([name, term]) => [name, tf.keep(tf.clone(term))]));
        return tf.mean<tf.Scalar>(terms.loss);
      }, variables);
    });
    try {
      const gradients = new Map<string, Float32Array>();
      for (const [name, variable] of parameters) {
        const gradient = grads[variable.name] as tf.Tensor | undefined;
        if (gradient) gradients.set(name, (await gradient.data()) as Float32Array);
      }
      const each = new Map<string, Float32Array>();
      for (const [name, term] of losses) each.set(name, (await term.data()) as Float32Array);
      return { loss: (await value.data())[0], gradients, losses: each };
    } finally {
      tf.dispose([value, grads, ...losses.values()]);
    }
  };
  return Object.assign(run, { dispose: () => Promise.resolve() });
}

/** @throws RangeError unless each loss is of n examples, and `loss` one number for each */
export function checkLosses<T extends Readonly<Record<string, tf.Tensor>>>(losses: T, n: number): T {
  if (!(losses.loss instanceof tf.Tensor))
    throw new TypeError(`task: loss should return { loss, … }, tensors of one number for each example`);
  for (const [name, { shape }] of Object.entries(losses)) {
    if (shape[0] !== n || (name === 'loss' && shape.length !== 1))
      throw new RangeError(
        name === 'loss'
          ? `task: the loss '${name}' should have one number for each of ${n} examples, [${n}], not [${shape.join(', ')}]`
          : `task: the term '${name}' should be of ${n} examples, [${n}] or [${n}, …], not [${shape.join(', ')}]`,
      );
  }
  return losses;
}

/** Those of a task's terms that are one number for each example, which are recorded. */
export const recorded = <T extends Readonly<Record<string, tf.Tensor>>>(losses: T): Record<string, tf.Tensor1D> =>
  Object.fromEntries(
    Object.entries(losses).filter((entry): entry is [string, tf.Tensor1D] => entry[1].shape.length === 1),
  );
