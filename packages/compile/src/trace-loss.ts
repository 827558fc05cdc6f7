import * as tf from '@tensorflow/tfjs-core';
import type { Target, Value } from './graph';
import { reachable, sizeOf } from './graph';
import { shapeText } from './onnx';
import type { InputSpec, Trace } from './trace';
import { trace } from './trace';

/** A loss function and its gradient as one graph. */
export interface LossTrace {
  readonly traced: Trace;
  /** The mean loss as a scalar, or the losses of the examples. */
  readonly loss: Value;
  /** Of the sum of the losses times the scale, for those parameters that it depends on. */
  readonly gradients: readonly Value[];
  readonly names: readonly string[];
}

/**
 * The graph's inputs are those of the loss function, the parameters, and a scale for the loss: one over the size of the whole batch, of
 * which this is a part, so that the gradients of all parts simply add up to that of the mean.
 * @param specs inputs with the batch on the first axis
 */
export function traceLoss(
  lossFn: (...inputs: tf.Tensor[]) => tf.Tensor,
  parameters: ReadonlyMap<string, tf.Variable>,
  specs: readonly InputSpec[],
  target: Target,
): LossTrace {
  const n = specs[0].shape[0];
  const names: string[] = [];
  const scale = tf.tidy(() => tf.variable(tf.scalar(1), false));
  let kept: tf.Tensor | undefined;
  const lossSum = (inputs: tf.Tensor[]) => {
    const value = lossFn(...inputs);
    if (!(value instanceof tf.Tensor)) throw new TypeError('compileGradients: the loss function must return a tensor, and not a promise');
    if (value.rank > 1 || (value.rank === 1 && value.shape[0] !== n)) {
      throw new RangeError(
        `compileGradients: the loss function must return a scalar or the losses of its ${n} examples, got ${shapeText(value.shape)}`,
      );
    }
    kept = tf.keep(tf.clone(value));
    return tf.mul(value.rank === 1 ? tf.sum(value) : tf.mul(value, n), scale);
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
      [...parameters, ['scale', scale]],
    );
    const [loss, ...gradients] = traced.outputs;
    return { traced, loss, gradients, names };
  } finally {
    kept?.dispose();
    scale.dispose();
  }
}

/** The largest intermediate result that grows with the batch, in bytes: the gradients do not, but depend on it. */
export function largestResult({ inputs, outputs, graph }: Trace, batchInputs: number, gradients: readonly Value[] = []): number {
  const sums = new Set(gradients.flatMap(summed));
  const changing = new Set(inputs.slice(0, batchInputs));
  let largest = 0;
  for (const { inputs: from, outputs: to } of reachable(outputs)) {
    if (!from.some((value) => value && changing.has(graph.resolve(value)))) continue;
    for (const value of to) {
      if (sums.has(value)) continue;
      changing.add(value);
      largest = Math.max(largest, sizeOf(value.shape) * 4);
    }
  }
  return largest;
}

/** What a gradient is an arrangement of. */
function summed(gradient: Value): Value[] {
  const value = gradient.graph.resolve(gradient);
  const { op, inputs } = value.node;
  if (op === 'Concat') return inputs.flatMap((input) => summed(input!));
  return op === 'Reshape' || op === 'Transpose' || op === 'Slice' ? summed(inputs[0]!) : [value];
}
