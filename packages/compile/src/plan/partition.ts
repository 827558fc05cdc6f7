import type { Shape, Value } from '../graph';
import { Graph, reachable, sizeOf, unshaped } from '../graph';
import { add, concat, int64s, nchwc, node, reshape, transpose } from '../ops';
import type { Port } from '../onnx';
import type { Trace } from '../trace';

/**
 * A graph in two: `prep` computes what depends on weights alone, whenever they change; `main` the rest, for every
 * micro-batch.
 */
export interface Split {
  /** Weights → what main needs of them. */
  readonly prep: { readonly inputs: Port[]; readonly outputs: Port[] };
  readonly main: { readonly inputs: Port[]; readonly outputs: Port[] };
  /**
   * Those of main's inputs that are the same for every micro-batch, each with the weight or output of prep that it is,
   * maybe in another shape.
   */
  readonly fixed: (Port & { readonly source: string })[];
}

/**
 * A training step: main adds its gradients to running sums; `finish` arranges the sums as the parameters are arranged.
 */
export interface Partition extends Split {
  /** Sums over all examples → those gradients that are arranged in another way. */
  readonly finish: { readonly inputs: Port[]; readonly outputs: Port[] };
  /** For each gradient, the name of the output of finish that it is, or of the sum. */
  readonly gradients: string[];
  /** Shapes of the running sums, in the order of their names `sum0`, `sum1`, … */
  readonly sums: Shape[];
  /** The parts that they consist of, one after the other: finish's inputs, and those that are gradients as they are. */
  readonly parts: { readonly name: string; readonly shape: Shape }[];
  /** The gradients in finish's graph, and the sums, whose parts they are made of. */
  readonly arranged: Value[];
  readonly summed: Port[];
}

/** The values that depend on any of the sources, and those themselves. */
export function dependents(outputs: readonly Value[], sources: Iterable<Value>): Set<Value> {
  const found = new Set<Value>(sources);
  for (const { inputs, outputs: results } of reachable(outputs)) {
    if (inputs.some((input) => input && found.has(input.graph.resolve(input))))
      for (const value of results) found.add(value);
  }
  return found;
}

/**
 * Passing a tensor to ORT costs as much as copying so many numbers: smaller ones are passed as one, if they are many.
 */
const maxPacked = 2048;
const fewTensors = 32;

/** Those that are passed as one: none, where they are few. */
function smallOf(values: readonly Value[]): Value[] {
  const small = values.filter(({ shape, dtype }) => dtype === 'float32' && sizeOf(shape) <= maxPacked);
  return small.length > fewTensors ? small : [];
}

/** All elements, [their number]. */
const packed = (values: readonly Value[]): Value =>
  concat(
    values.map((value) => reshape(value, [sizeOf(value.shape)])),
    0,
  );

/** So many numbers, a few for each example, are summed over the examples when all micro-batches have been. */
const maxRows = 2 ** 14;

/**
 * Rebuilds in another graph what leads from the sums to a gradient: operators that arrange elements, or sum few, since
 * those may as well be applied to the sum. Calls `sum` for each value behind them.
 */
function arrange(gradient: Value, sum: (value: Value) => Value): Value {
  const value = gradient.graph.resolve(gradient);
  const { op, inputs, attributes } = value.node;
  if (op === 'Reshape') return reshape(arrange(inputs[0]!, sum), value.shape);
  if (op === 'Transpose') return transpose(arrange(inputs[0]!, sum), attributes.perm as number[]);
  if (op === 'Slice' && inputs.slice(1).every((input) => input!.node.data)) {
    const source = arrange(inputs[0]!, sum);
    const bounds = inputs.slice(1).map((input) => source.graph.constant(input!.node.data!, input!.shape, input!.dtype));
    return node('Slice', [source, ...bounds], value.shape, value.dtype);
  }
  if (
    op === 'ReduceSum' &&
    value.shape[0] === 1 &&
    inputs[0]!.shape.length === 2 &&
    sizeOf(inputs[0]!.shape) <= maxRows
  ) {
    const rows = arrange(inputs[0]!, sum);
    return node(op, [rows, int64s(rows.graph, [0])], value.shape, value.dtype, attributes);
  }
  if (op === 'Concat') {
    return concat(
      inputs.map((input) => arrange(input!, sum)),
      attributes.axis as number,
    );
  }
  return sum(value);
}

/** before + value: where the value is a product of matrices or a blocked convolution, by that itself. */
function accumulated(before: Value, value: Value): Value {
  const { op, domain, inputs, attributes } = value.node;
  if (op === 'Gemm' && inputs.length === 2) return node(op, [...inputs, before], value.shape, value.dtype, attributes);
  if (op === 'MatMul' && value.dtype === 'float32' && inputs.every((input) => input!.shape.length === 2))
    return node('Gemm', [...inputs, before], value.shape, value.dtype);
  // Between them would be a bias.
  if (domain === nchwc && op === 'Conv' && inputs.length === 2)
    return node(op, [...inputs, undefined, before], value.shape, value.dtype, attributes, domain);
  return add(before, value);
}

/**
 * ORT computes what the last output needs first, then what the one before it needs besides, and so on: with those that
 * depend on the longest chains of nodes in front, each sum is taken as soon as what it is the sum of is there, and
 * still in the cache.
 */
function lateFirst(outputs: readonly Port[]): Port[] {
  const depths = new Map<Value, number>();
  const depth = (value: Value | undefined) => (value && depths.get(value.graph.resolve(value))) ?? 0;
  for (const { inputs, outputs: results } of reachable(outputs.map(({ value }) => value))) {
    const longest = inputs.reduce((most, value) => Math.max(most, depth(value)), 0);
    for (const value of results) depths.set(value, longest + 1);
  }
  return [...outputs].sort((a, b) => depth(b.value) - depth(a.value));
}

/**
 * @param batch inputs that change from one run of main to the next
 * @param weights the other inputs, with their names
 * @param constants whether what depends on constants alone is left to main, whose session works it out once; otherwise
 * prep does
 */
export function split(
  batch: readonly Port[],
  weights: readonly Port[],
  outputs: readonly Port[],
  constants: 'prep' | 'main',
): Split {
  const { graph } = outputs[0].value;
  const results = outputs.map(({ value }) => graph.resolve(value));
  const changing = dependents(
    results,
    batch.map(({ value }) => value),
  );
  const weighty = dependents(
    results,
    weights.map(({ value }) => value),
  );
  // What main uses and does not change comes from outside, but for constants.
  const outside = (value: Value) =>
    !changing.has(value) && value.node.op !== 'Constant' && (constants === 'prep' || weighty.has(value));
  const fixed = new Set<Value>(results.filter(outside));
  for (const { inputs, outputs: computed } of reachable(results)) {
    if (computed.some(outside) || computed[0].node.op === 'Input') continue;
    for (const input of inputs) {
      const value = input && graph.resolve(input);
      if (value && outside(value)) fixed.add(value);
    }
  }
  const smallFixed = smallOf([...fixed]);
  for (const value of smallFixed) fixed.delete(value);
  // Another shape costs nothing here, and a copy in prep.
  const sources = new Map<Value, string>();
  for (const value of fixed) {
    const source = unshaped(value);
    if (!sources.has(source))
      sources.set(source, weights.find((port) => port.value === source)?.name ?? `prep${sources.size}`);
  }
  const fixedPorts: Split['fixed'] = [...fixed].map((value, i) => ({
    name: `fixed${i}`,
    value,
    source: sources.get(unshaped(value))!,
  }));
  const prepared = [...sources].filter(([{ node }]) => node.op !== 'Input').map(([value, name]) => ({ name, value }));
  if (smallFixed.length > 0) {
    const together = { name: 'packed', value: packed(smallFixed) };
    prepared.push(together);
    fixedPorts.push({ ...together, parts: smallFixed, source: together.name });
  }
  const reached = new Set(reachable(prepared.map(({ value }) => value)));
  return {
    prep: { inputs: weights.filter(({ value }) => reached.has(value.node)), outputs: prepared },
    main: { inputs: [...batch, ...fixedPorts], outputs: [...outputs] },
    fixed: fixedPorts,
  };
}

/**
 * @param batch the trace's inputs that hold a micro-batch
 * @param weights its other inputs, with their names
 * @param losses its first output
 * @param gradients the others, already summed over the micro-batch's examples
 */
export function partition(
  { graph }: Trace,
  batch: readonly Port[],
  weights: readonly Port[],
  losses: Value,
  gradients: readonly Value[],
): Partition {
  const finishGraph = new Graph(graph.target);
  const parts = new Map<Value, Value>();
  const arranged = gradients.map((gradient) =>
    arrange(gradient, (value) => {
      let part = parts.get(value);
      if (!part) {
        part = finishGraph.input(`part${parts.size}`, value.shape, value.dtype);
        parts.set(value, part);
      }
      return part;
    }),
  );

  const smallSums = smallOf([...parts.keys()]);
  const large = [...parts.keys()].filter((value) => !smallSums.includes(value));
  const sums = smallSums.length > 0 ? [...large, packed(smallSums)] : large;
  const totals = sums.map((value, i) => {
    const before = graph.input(`sum${i}`, value.shape, value.dtype);
    return {
      before: { name: `sum${i}`, value: before },
      after: { name: `total${i}`, value: accumulated(before, value) },
    };
  });
  const inFinish = (values: readonly Value[]) => values.map((value) => parts.get(value)!);
  const summed: Port[] = inFinish(large).map((value, i) => ({ name: `sum${i}`, value }));
  if (smallSums.length > 0) {
    const value = finishGraph.input('sums', sums.at(-1)!.shape, 'float32');
    summed.push({ name: `sum${large.length}`, value, parts: inFinish(smallSums) });
  }
  const outputs = lateFirst([{ name: 'losses', value: losses }, ...totals.map(({ after }) => after)]);
  return {
    ...split([...batch, ...totals.map(({ before }) => before)], weights, outputs, 'prep'),
    ...finishing(arranged),
    sums: sums.map(({ shape }) => shape),
    parts: [...large, ...smallSums].map((value) => ({ name: parts.get(value)!.node.name!, shape: value.shape })),
    ...{ arranged, summed },
  };
}

/** Each sum can be one gradient itself; what else it is, is a copy. */
function finishing(arranged: readonly Value[]): Pick<Partition, 'finish' | 'gradients'> {
  const taken = new Set<Value>();
  const outputs: Port[] = [];
  const gradients = arranged.map((value, i) => {
    const source = unshaped(value);
    if (source.node.op === 'Input' && !taken.has(source)) {
      taken.add(source);
      return source.node.name!;
    }
    const name = `gradient${i}`;
    outputs.push({
      name,
      value: value.node.op === 'Input' ? node('Identity', [value], value.shape, value.dtype) : value,
    });
    return name;
  });
  const inputs = reachable(outputs.map(({ value }) => value)).filter(({ op }) => op === 'Input');
  return {
    finish: { inputs: inputs.map(({ name, outputs: [value] }) => ({ name: name!, value })), outputs },
    gradients,
  };
}
