import type * as tf from '@tensorflow/tfjs-core';
import type { TensorResult } from './tensor-result';
import { flatten } from './tensor-result';
import type { AnyBatch } from './plan/any-batch';
import { anyBatch, sampleBatches } from './plan/any-batch';
import { messageOf } from './run/realm';
import type { Value } from './graph';
import { writeModel } from './onnx';
import type { Trace } from './trace';
import { specOf, trace } from './trace';

/** Names and sizes of the model. */
export interface ExportOptions {
  /** By default input0, input1, … */
  inputNames?: readonly string[];
  /** By default output0, output1, …, or the keys of the record that the function returns. */
  outputNames?: readonly string[];
  /**
   * Whether the first axis of every input is the batch, of any size; otherwise all sizes are those of the examples. By
   * default it is.
   */
  dynamicBatch?: boolean;
  /** Further text in the model, by name. */
  metadata?: Readonly<Record<string, string>>;
}

/** Only what the ONNX standard defines: no operators of one runtime alone. */
const standard = { contrib: false, block: 0 };

interface Exported {
  readonly traced: Trace;
  readonly names: readonly string[];
}

function traceWith(
  fn: (...inputs: tf.Tensor[]) => TensorResult,
  examples: readonly tf.Tensor[],
  batch?: number,
): Exported {
  const specs = examples.map((example, i) => {
    const spec = specOf(example, `input${i}`);
    return batch === undefined ? spec : { ...spec, shape: [batch, ...spec.shape.slice(1)] };
  });
  let names: string[] = [];
  const traced = trace(
    (inputs) => {
      const { structure, tensors } = flatten(fn(...inputs));
      names = structure.kind === 'record' ? structure.keys : tensors.map((_, i) => `output${i}`);
      return tensors;
    },
    specs,
    standard,
  );
  return { traced, names };
}

/**
 * A function of tensors as an ONNX model (opset 18) of standard operators, with the variables and tensors that it
 * captures inside: what onnxruntime in Python and onnxruntime-web run. It takes batches of any size, unless told not
 * to.
 * @param examples tensors of the inputs' shapes; their values do not matter
 * @throws Error as `compile` does, and where the function is tied to one batch, which names the operator that ties it
 */
export function exportOnnx(
  fn: (...inputs: never[]) => TensorResult,
  examples: readonly tf.Tensor[],
  { inputNames, outputNames, dynamicBatch = true, metadata }: ExportOptions = {},
): Uint8Array {
  const body = fn as unknown as (...inputs: tf.Tensor[]) => TensorResult;
  const named = (names: readonly string[] | undefined, count: number, what: string, fallback: readonly string[]) => {
    if (names && (names.length !== count || new Set(names).size !== count)) {
      throw new RangeError(`exportOnnx: expected ${count} different ${what} names, got [${names.join(', ')}]`);
    }
    return names ?? fallback;
  };
  const inputs = named(
    inputNames,
    examples.length,
    'input',
    examples.map((_, i) => `input${i}`),
  );

  // What cannot be traced at all is not a matter of the batch.
  const { traced, names } = traceWith(body, examples);
  const whole = (values: readonly Value[]) => values.map((value) => ({ value }));
  const graph = dynamicBatch
    ? forAnyBatch(body, examples)
    : { inputs: whole(traced.inputs), outputs: whole(traced.outputs) };
  const outputs = named(outputNames, names.length, 'output', names);
  return writeModel(
    graph.inputs.map((port, i) => ({ name: inputs[i], ...port })),
    graph.outputs.map((port, i) => ({ name: outputs[i], ...port })),
    { metadata },
  );
}

function forAnyBatch(body: (...inputs: tf.Tensor[]) => TensorResult, examples: readonly tf.Tensor[]): AnyBatch {
  try {
    if (examples.length === 0 || examples.some(({ rank }) => rank === 0))
      throw new Error('not every input has a first axis');
    return anyBatch(sampleBatches.map((batch) => traceWith(body, examples, batch).traced));
  } catch (error) {
    const why = messageOf(error).replace(/^compile: /, '');
    throw new Error(
      `exportOnnx: the model cannot take batches of any size: ${why}; give dynamicBatch: false to export it for the examples' sizes`,
      {
        cause: error,
      },
    );
  }
}
