import type { Shape, Value } from '../graph';
import { Graph, sizeOf } from '../graph';
import { concat, full, mul, reshape, sum } from '../ops';
import type { Port } from '../onnx';
import { portableOnDevice } from '../self-test';

/*
 * Parameters and all that is kept of each of them as a few vectors: so many operators change them as there are vectors,
 * and not as there are parameters.
 */

/** Some parameters, one after the other, and zeros up to a whole number of rows. */
export interface Vector {
  readonly parameters: readonly { readonly name: string; readonly shape: Shape; readonly offset: number }[];
  readonly length: number;
}

/** Squares are summed by rows on the device, and the rows' sums in float64. */
const row = 1024;
/** Elements of a vector: 128 MiB, the most that every device that has WebGPU takes as one buffer. */
const most = 2 ** 25;

export function vectorsOf(
  parameters: Iterable<readonly [name: string, shape: Shape]>,
  longest = most,
): readonly Vector[] {
  const vectors: { parameters: Vector['parameters'][number][]; length: number }[] = [];
  for (const [name, shape] of parameters) {
    const last = vectors.at(-1);
    const vector = last && last.length + sizeOf(shape) <= longest ? last : { parameters: [], length: 0 };
    if (vector !== last) vectors.push(vector);
    vector.parameters.push({ name, shape, offset: vector.length });
    vector.length += sizeOf(shape);
  }
  return vectors.map(({ parameters: some, length }) => ({ parameters: some, length: Math.ceil(length / row) * row }));
}

/** Elements at the end of a vector that belong to no parameter. */
const paddingOf = ({ parameters, length }: Vector): number => {
  const { offset, shape } = parameters.at(-1)!;
  return length - offset - sizeOf(shape);
};

/** A graph: the vector → each parameter, in order. */
export function dividing(vector: Vector): readonly [inputs: Port[], outputs: Port[]] {
  const graph = new Graph(portableOnDevice);
  const parts = vector.parameters.map(({ name, shape }) => graph.input(`part:${name}`, shape, 'float32'));
  const padding = paddingOf(vector);
  const rest = padding > 0 ? [graph.input('padding', [padding], 'float32')] : [];
  const whole = graph.input('vector', [vector.length], 'float32');
  return [
    [{ name: 'vector', value: whole, parts: [...parts, ...rest] }],
    parts.map((value, i) => ({ name: `parameter${i}`, value })),
  ];
}

/** The vector of some parameters' values in a graph; zeros stand for those that there are none of. */
export function vectorIn(graph: Graph, vector: Vector, values: ReadonlyMap<string, Value>): Value {
  const parts = vector.parameters.map(({ name, shape }) => {
    const value = values.get(name);
    return value ? reshape(value, [sizeOf(shape)]) : full(graph, [sizeOf(shape)], 0);
  });
  const padding = paddingOf(vector);
  return concat(padding > 0 ? [...parts, full(graph, [padding], 0)] : parts, 0);
}

/** A graph: vectors → the sums of squares of their rows. */
export function squaring(vectors: readonly Vector[]): readonly [inputs: Port[], outputs: Port[]] {
  const graph = new Graph(portableOnDevice);
  const inputs = vectors.map(({ length }, i) => ({
    name: `vector${i}`,
    value: graph.input(`vector${i}`, [length], 'float32'),
  }));
  const outputs = inputs.map(({ value }, i) => ({
    name: `squares${i}`,
    value: sum(reshape(mul(value, value), [value.shape[0] / row, row]), [1]),
  }));
  return [inputs, outputs];
}
