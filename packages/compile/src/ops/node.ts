import type { Attributes, DType, Graph, Shape, Value } from '../graph';

/** ORT's own operators. */
export const contrib = 'com.microsoft';
/** Its operators on tensors whose channels come in blocks. */
export const nchwc = 'com.microsoft.nchwc';

export function node(
  op: string,
  inputs: readonly (Value | undefined)[],
  shape: Shape,
  dtype: DType,
  attributes?: Attributes,
  domain?: string,
): Value {
  const { graph } = inputs.find((input) => input)!;
  return graph.node(op, inputs, [{ shape, dtype }], attributes, domain)[0];
}

export const scalar = (graph: Graph, value: number, dtype: DType = 'float32'): Value =>
  graph.constant([value], [], dtype);
export const int64s = (graph: Graph, values: readonly number[]): Value =>
  graph.constant(values, [values.length], 'int64');
export const full = (graph: Graph, shape: Shape, value: number, dtype: DType = 'float32'): Value =>
  graph.constant([value], shape, dtype);
