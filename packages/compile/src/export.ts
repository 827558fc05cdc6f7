import type * as tf from '@tensorflow/tfjs-core';
import type { TensorResult } from './compile';
import { flatten } from './compile';
import type { Node, Shape, Value } from './graph';
import { Graph, reachable, sameShape } from './graph';
import type { Port } from './onnx';
import { writeModel } from './onnx';
import { int64s } from './ops';
import type { Trace } from './trace';
import { specOf, trace } from './trace';

/** Names and sizes of the model. */
export interface ExportOptions {
  /** By default input0, input1, … */
  inputNames?: readonly string[];
  /** By default output0, output1, …, or the keys of the record that the function returns. */
  outputNames?: readonly string[];
  /** Whether the first axis of every input may have any size in the model; 'auto' makes it so where the function allows it. */
  dynamicBatch?: 'auto' | boolean;
  /** What else the model says of itself, by name. */
  metadata?: Readonly<Record<string, string>>;
}

/** Only what the ONNX standard defines: no operators of one runtime alone. */
const standard = { contrib: false, block: 0 };

interface Exported {
  readonly traced: Trace;
  readonly names: readonly string[];
}

function traceWith(fn: (...inputs: tf.Tensor[]) => TensorResult, examples: readonly tf.Tensor[], batch?: number): Exported {
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

/** The axes in which two shapes differ. */
const differing = (a: Shape, b: Shape) => a.map((_, i) => i).filter((i) => a[i] !== b[i]);

/**
 * From graphs of one function at two batch sizes, one for any: they must be the same but for sizes, which may only differ in what
 * a Reshape leaves open. Gives nothing where they are not.
 */
function generalise(a: Trace, b: Trace): Map<Value, Value> | undefined {
  const [nodesA, nodesB] = [a, b].map(({ outputs }) => reachable(outputs));
  if (nodesA.length !== nodesB.length) return undefined;
  const graph = new Graph(standard);
  const twins = new Map<Value, Value>();
  const copies = new Map<Value, Value>();
  const matches = (one: Node, other: Node) =>
    one.op === other.op &&
    one.domain === other.domain &&
    one.inputs.length === other.inputs.length &&
    JSON.stringify(one.attributes) === JSON.stringify(other.attributes) &&
    one.name === other.name;
  for (const [i, one] of nodesA.entries()) {
    const other = nodesB[i];
    if (!matches(one, other)) return undefined;
    one.outputs.forEach((value, k) => twins.set(value, other.outputs[k]));
    const given = one.inputs.map((input) => input && copies.get(a.graph.resolve(input))!);
    const aligned = one.inputs.every((input, k) => !input || twins.get(a.graph.resolve(input)) === b.graph.resolve(other.inputs[k]!));
    if (!aligned) return undefined;
    if (one.op === 'Input') copies.set(one.outputs[0], graph.input(one.name!, one.outputs[0].shape, one.outputs[0].dtype));
    else if (one.op === 'Constant') {
      const [value] = one.outputs;
      const same = sameShape(value.shape, other.outputs[0].shape) && String(one.data) === String(other.data);
      // Shapes may differ: whether that is all right is for the operator that takes them to say.
      if (!same && value.dtype !== 'int64') return undefined;
      copies.set(value, graph.constant(one.data!, value.shape, value.dtype));
    } else {
      const sizes = one.inputs.filter((input) => input?.dtype === 'int64' && input.node.op === 'Constant');
      for (const input of sizes) {
        const twin = twins.get(input!)!;
        if (String(input!.node.data) === String(twin.node.data)) continue;
        const open = differing(one.outputs[0].shape, other.outputs[0].shape);
        if (one.op !== 'Reshape' || open.length !== 1) return undefined;
        given[1] = int64s(
          graph,
          one.outputs[0].shape.map((size, k) => (k === open[0] ? -1 : size)),
        );
      }
      const results = graph.node(one.op, given, one.outputs, one.attributes, one.domain);
      one.outputs.forEach((value, k) => copies.set(value, results[k]));
    }
  }
  return copies;
}

/**
 * A function of tensors as an ONNX model (opset 18) of standard operators, with the variables and tensors that it captures inside: what
 * onnxruntime in Python and onnxruntime-web run. Where the function allows it, the model takes batches of any size.
 * @param examples tensors of the inputs' shapes; their values do not matter
 * @throws Error as `compile` does, and where dynamicBatch is true and the function computes something of another kind for another batch size
 */
export function exportOnnx(
  fn: (...inputs: never[]) => TensorResult,
  examples: readonly tf.Tensor[],
  { inputNames, outputNames, dynamicBatch = 'auto', metadata }: ExportOptions = {},
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

  if (dynamicBatch !== false && examples.length > 0 && examples.every(({ rank }) => rank > 0)) {
    const batch = Math.max(2, examples[0].shape[0]);
    try {
      const [one, other] = [traceWith(body, examples, batch), traceWith(body, examples, batch + 3)];
      const copies = generalise(one.traced, other.traced);
      if (copies) {
        const outputs = named(outputNames, one.names.length, 'output', one.names);
        const port = (name: string, value: Value, twin: Value): Port => ({
          name,
          value: copies.get(one.traced.graph.resolve(value)) ?? value,
          shape: value.shape.map((size, k) => (size === twin.shape[k] ? size : 'batch')),
        });
        return writeModel(
          one.traced.inputs.map((value, i) => port(inputs[i], value, other.traced.inputs[i])),
          one.traced.outputs.map((value, i) => port(outputs[i], value, other.traced.outputs[i])),
          { metadata },
        );
      }
    } catch (error) {
      // Inputs whose first axes are not one batch fail here; they may still be right at their own sizes.
      if (dynamicBatch === true) throw error;
    }
    if (dynamicBatch === true)
      throw new Error('exportOnnx: the function does not compute the same for every batch size; leave dynamicBatch out, or false');
  }
  const { traced, names } = traceWith(body, examples);
  const outputs = named(outputNames, names.length, 'output', names);
  return writeModel(
    traced.inputs.map((value, i) => ({ name: inputs[i], value })),
    traced.outputs.map((value, i) => ({ name: outputs[i], value })),
    { metadata },
  );
}
