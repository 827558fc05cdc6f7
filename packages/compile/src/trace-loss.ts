import * as tf from '@tensorflow/tfjs-core';
import type { Target, TensorSpec, Value } from './graph';
import { shapeText } from './onnx';
import type { Trace } from './trace';
import { trace } from './trace';

/**
 * The result of a loss function: the mean loss, the losses of n examples [n], or by name several losses and whatever
 * else is to be known of each example, [n, …] each, `loss` [n] among them.
 */
export type LossResult = tf.Tensor | Readonly<Record<string, tf.Tensor>>;

/** Values of each example, by their name. */
export interface Column {
  readonly name: string;
  /** How many there are of an example. */
  readonly width: number;
}

/** A loss function and its gradient as one graph. */
export interface LossTrace {
  readonly traced: Trace;
  /** The mean loss as a scalar, or the columns of the examples' losses beside each other, [n, k]; `loss` is the first. */
  readonly losses: Value;
  /** The columns of `losses`, in order; none where there is only the mean. */
  readonly columns: readonly Column[];
  /** Of the sum of the first column times the scale, for those parameters that it depends on. */
  readonly gradients: readonly Value[];
  readonly names: readonly string[];
}

/** The name of the loss that is trained on. */
const main = 'loss';

/** The result of a loss function as columns by name: of one scalar, or of the losses of n examples. */
function columnsOf(result: LossResult, n: number): ReadonlyMap<string, tf.Tensor> {
  if (typeof result !== 'object' || result === null || result instanceof Promise)
    throw new TypeError(
      'compileGradients: the loss function must return a tensor or a record of tensors, and not a promise',
    );
  if (result instanceof tf.Tensor) {
    if (result.rank > 1 || (result.rank === 1 && result.shape[0] !== n))
      throw new RangeError(
        `compileGradients: the loss function must return a scalar or the losses of its ${n} examples, got ${shapeText(result.shape)}`,
      );
    return new Map([[main, result]]);
  }
  if (!Object.hasOwn(result, main))
    throw new TypeError(
      `compileGradients: of the losses, one must be named ${main}, got ${Object.keys(result).join(', ') || 'none'}`,
    );
  for (const [name, value] of Object.entries(result)) {
    if (!(value instanceof tf.Tensor))
      throw new TypeError(`compileGradients: ${name} must be a tensor, and not a promise, got ${String(value)}`);
    const expected = name === main ? `[${n}]` : `[${n}, …]`;
    if (value.shape[0] !== n || (name === main && value.rank !== 1))
      throw new RangeError(
        `compileGradients: ${name} must be the losses of the ${n} examples, ${expected}, got ${shapeText(value.shape)}`,
      );
  }
  return new Map([[main, result[main]], ...Object.entries(result).filter(([name]) => name !== main)]);
}

/**
 * The graph's inputs are those of the loss function, the parameters, the frozen variables, and a scale for the loss:
 * one over the size of the whole batch, of which this is a part, so that the gradients of all parts simply add up to
 * that of the mean.
 * @param specs inputs with the batch on the first axis
 */
export function traceLoss(
  lossFn: (...inputs: tf.Tensor[]) => LossResult,
  parameters: ReadonlyMap<string, tf.Variable>,
  frozen: ReadonlyMap<string, tf.Variable>,
  specs: readonly TensorSpec[],
  target: Target,
): LossTrace {
  const n = specs[0].shape[0];
  const names: string[] = [];
  let columns: Column[] = [];
  const scale = tf.tidy(() => tf.variable(tf.scalar(1), false));
  let kept: tf.Tensor | undefined;
  const lossSum = (inputs: tf.Tensor[]) => {
    const values = columnsOf(lossFn(...inputs), n);
    const loss = values.get(main)!;
    if (loss.rank === 0) {
      kept = tf.keep(tf.clone(loss));
      return tf.mul(tf.mul(loss, n), scale);
    }
    columns = [...values].map(([name, { size }]) => ({ name, width: size / n }));
    const rows = [...values.values()].map((column) => tf.reshape(tf.cast(column, 'float32'), [n, column.size / n]));
    kept = tf.keep(rows.length > 1 ? tf.concat(rows, 1) : tf.clone(rows[0]));
    return tf.mul(tf.sum(loss), scale);
  };
  try {
    const traced = trace(
      (inputs) => {
        const { grads } = tf.engine().gradients(() => lossSum(inputs), [...parameters.values()], undefined, true);
        const found = grads as (tf.Tensor | undefined)[];
        names.push(...[...parameters.keys()].filter((_, i) => found[i]));
        return [kept!, ...found.filter((gradient) => gradient !== undefined)];
      },
      specs,
      target,
      { variables: [...parameters, ...frozen, ['scale', scale]], reader: 'compileGradients: the loss' },
    );
    const [losses, ...gradients] = traced.outputs;
    return { traced, losses, columns, gradients, names };
  } finally {
    kept?.dispose();
    scale.dispose();
  }
}
