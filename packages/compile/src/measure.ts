import type * as tf from '@tensorflow/tfjs-core';
import type { TensorResult } from './tensor-result';
import { flatten } from './tensor-result';
import type { Node, Target, Value } from './graph';
import { reachable, sizeOf, unshaped } from './graph';
import { dependents } from './plan/partition';
import { specOf, trace } from './trace';

/** The cost of computing a function, its parameters left out. */
export interface Measure {
  /** Of the largest intermediate result or input, in bytes. */
  readonly largestBytes: number;
  /** Of all results and inputs that are needed at one time, at the most, in bytes. */
  readonly peakBytes: number;
  /** Multiplications, each with an addition, in convolutions and products of matrices. */
  readonly multiplyAdds: number;
}

/** Operators as tfjs has them, rather than what is made of them for one machine. */
const plain: Target = { contrib: false, block: 0, inference: true };

/**
 * The cost of computing a function for inputs of some shapes. It is traced, not run: that takes as long for large
 * images as for small ones.
 * @param fn returns a tensor, a list of tensors or a record of tensors
 * @param parameters the variables that it reads, by name
 * @param examples tensors of the inputs' shapes; their values do not matter
 * @throws Error as `compile` does
 */
export function measure(
  fn: (...inputs: never[]) => TensorResult,
  parameters: ReadonlyMap<string, tf.Variable>,
  examples: readonly tf.Tensor[],
): Measure {
  const body = fn as unknown as (...inputs: tf.Tensor[]) => TensorResult;
  const specs = examples.map((example, i) => specOf(example, `input${i}`));
  const read = { variables: parameters, reader: 'measure: the function' };
  const { inputs, outputs } = trace((standIns) => flatten(body(...standIns)).tensors, specs, plain, read);
  // What depends on parameters alone is computed once, however many inputs there are.
  const changing = dependents(outputs, inputs.slice(0, examples.length));
  const nodes = reachable(outputs).filter(({ outputs: results }) => results.some((value) => changing.has(value)));
  return {
    ...memoryOf(nodes, outputs, changing),
    multiplyAdds: nodes.reduce((sum, node) => sum + multiplyAddsOf(node), 0),
  };
}

const elementBytes = { float32: 4, int32: 4, int64: 8, bool: 1 };

/** Each result is there from the node that computes it to the last that reads it; a reshaped one lies where it lay. */
function memoryOf(
  nodes: readonly Node[],
  outputs: readonly Value[],
  changing: ReadonlySet<Value>,
): Omit<Measure, 'multiplyAdds'> {
  const lastUse = new Map<Value, number>();
  for (const [i, { inputs, outputs: results }] of nodes.entries()) {
    for (const value of [...inputs, ...results]) {
      const resolved = value && value.graph.resolve(value);
      if (resolved && changing.has(resolved)) lastUse.set(unshaped(resolved), i);
    }
  }
  for (const output of outputs) lastUse.set(unshaped(output), nodes.length);
  const bytes = ({ shape, dtype }: Value) => sizeOf(shape) * elementBytes[dtype];
  const endings = new Map<number, number>();
  for (const [value, last] of lastUse) endings.set(last, (endings.get(last) ?? 0) + bytes(value));
  const sizes = nodes.map(({ outputs: results }) =>
    results.filter((value) => unshaped(value) === value && lastUse.has(value)).map(bytes),
  );
  let [live, peakBytes, largestBytes] = [0, 0, 0];
  for (const [i, results] of sizes.entries()) {
    live += results.reduce((sum, size) => sum + size, 0);
    peakBytes = Math.max(peakBytes, live);
    largestBytes = Math.max(largestBytes, ...results);
    live -= endings.get(i) ?? 0;
  }
  return { largestBytes, peakBytes };
}

function multiplyAddsOf({ op, inputs, outputs: [result], attributes }: Node): number {
  const [a, b] = inputs;
  if (op === 'Conv') return sizeOf(result.shape) * sizeOf(b!.shape.slice(1));
  // A product with a table of constants is how something else is computed, such as resizing.
  if ((op !== 'MatMul' && op !== 'Gemm') || a!.node.op === 'Constant' || b!.node.op === 'Constant') return 0;
  return sizeOf(result.shape) * (op === 'Gemm' && attributes.transA ? a!.shape[0] : a!.shape.at(-1)!);
}
