import type { DType, Node, Shape, Value } from '../graph';
import { Graph, reachable, sizeOf } from '../graph';
import type { Port } from '../onnx';
import { cast, int64s, node } from '../ops';
import type { Trace } from '../trace';

/**
 * The batch sizes at which a function is traced to make a graph for any: primes, so that they are no other size by
 * chance, and large enough that no choice among operators falls differently for any of them.
 */
export const sampleBatches = [257, 263, 269] as const;

/** A whole number that may depend on the batch: `times` · batch + `plus`. */
interface Size {
  readonly times: number;
  readonly plus: number;
}

/** A number at each of the sample batches, as a size. */
function sizeThrough(values: readonly number[]): Size | undefined {
  const [a, b, c] = sampleBatches;
  const times = (values[1] - values[0]) / (b - a);
  const plus = values[0] - times * a;
  return Number.isInteger(times) && Number.isInteger(plus) && times * c + plus === values[2]
    ? { times, plus }
    : undefined;
}

/** Where lists have the same length at each of the sample batches: each place's size. */
function sizesThrough(lists: readonly ArrayLike<number>[]): Size[] | undefined {
  if (lists.some(({ length }) => length !== lists[0].length)) return undefined;
  const sizes = Array.from(lists[0], (_, i) => sizeThrough(lists.map((list) => list[i])));
  return sizes.every((size) => size !== undefined) ? sizes : undefined;
}

/** Whether lists are the same to the bit; they may be all weights of a network. */
function same([first, ...others]: readonly ArrayLike<number>[]): boolean {
  for (const list of others) {
    if (list.length !== first.length) return false;
    for (let i = 0; i < list.length; i++) if (!Object.is(list[i], first[i])) return false;
  }
  return true;
}

/** A function's graph for any batch. */
export interface AnyBatch {
  readonly inputs: readonly Omit<Port, 'name'>[];
  readonly outputs: readonly Omit<Port, 'name'>[];
}

/**
 * One graph for any batch, from those of a function at the sample batches. Their operators must be the same; what
 * differs in their constants must be sizes, or numbers that are counted up, and is computed from the first input's
 * first axis.
 * @throws Error that names the operator that is tied to one batch
 */
export function anyBatch(traces: readonly Trace[]): AnyBatch {
  const nodes = traces.map(({ outputs }) => reachable(outputs));
  const graph = new Graph(traces[0].graph.target);
  const inputs = traces[0].inputs.map(({ node: { name }, shape, dtype }) => graph.input(name!, shape, dtype));
  /** Values of the first trace, by what they are in each trace and in the new graph. */
  const known = new Map<Value, { readonly twins: readonly Value[]; readonly copy: Value }>();
  traces[0].inputs.forEach((input, i) =>
    known.set(input, { twins: traces.map((trace) => trace.inputs[i]), copy: inputs[i] }),
  );
  const find = (value: Value) => known.get(value.graph.resolve(value))!;

  const int64 = (op: string, from: readonly Value[], shape: Shape, attributes = {}) =>
    node(op, from, shape, 'int64', attributes);
  const batch = () =>
    int64('Gather', [int64('Shape', [inputs[0]], [inputs[0].shape.length]), int64s(graph, [0])], [1], { axis: 0 });
  /** Sizes as a vector. */
  const vector = (sizes: readonly Size[]): Value => {
    const parts = (['times', 'plus'] as const).map((part) =>
      int64s(
        graph,
        sizes.map((size) => size[part]),
      ),
    );
    return int64('Add', [int64('Mul', [parts[0], batch()], [sizes.length]), parts[1]], [sizes.length]);
  };
  const shaped = (op: 'Reshape' | 'Expand', x: Value, sizes: readonly Size[], { shape }: Value) =>
    node(op, [x, vector(sizes)], shape, x.dtype);

  /** A constant that depends on the batch, computed. */
  const constant = (twins: readonly Value[]): Value | undefined => {
    const [value] = twins;
    const lists = twins.map((twin) => twin.node.data!);
    const shape = sizesThrough(twins.map((twin) => twin.shape));
    if (!shape) return undefined;
    const sizes = same(lists) ? undefined : sizesThrough(lists);
    if (sizes ?? same(lists)) {
      const { length } = lists[0];
      const data = sizes ? cast(vector(sizes), value.dtype) : graph.constant(lists[0], [length], value.dtype);
      return length === 1 && sizeOf(value.shape) > 1
        ? shaped('Expand', data, shape, value)
        : shaped('Reshape', data, shape, value);
    }
    // As many numbers as there are elements, counted up.
    const [start, step] = [lists[0][0], lists[0][1] - lists[0][0]];
    const counted = lists.every(
      (list) => list.length > 1 && Array.from(list).every((number, i) => number === start + i * step),
    );
    const ends = counted && sizeThrough(lists.map(({ length }) => start + length * step));
    if (!ends || !Number.isInteger(start) || step === 0) return undefined;
    const scalar = (size: Size) => int64('Reshape', [vector([size]), int64s(graph, [])], []);
    const range = [{ times: 0, plus: start }, ends, { times: 0, plus: step }].map(scalar);
    return shaped('Reshape', cast(int64('Range', range, [lists[0].length]), value.dtype), shape, value);
  };

  /** The constants that depend on the batch in a way that is not known, by their value in the first trace. */
  const tied = new Map<Value, string>();
  const copyOf = (input: Value, { op }: Node): Value => {
    const why = tied.get(input.graph.resolve(input));
    if (why) throw new Error(`${op} takes ${why}`);
    return find(input).copy;
  };
  /** The shape that a Reshape to one unknown size takes, which is then what is left. */
  const openShape = ({ op, inputs: from }: Node): Value | undefined => {
    if (op !== 'Reshape') return undefined;
    const lists = find(from[1]!).twins.map((twin) => Array.from(twin.node.data!, Number));
    const open = lists[0].map((_, i) => lists.some((list) => list[i] !== lists[0][i]));
    if (lists[0].includes(0) || open.filter(Boolean).length !== 1) return undefined;
    return int64s(
      graph,
      lists[0].map((size, i) => (open[i] ? -1 : size)),
    );
  };
  for (const [i, one] of nodes[0].entries()) {
    const all = nodes.map((list) => list[i] as Node | undefined);
    const alike = all.every(
      (other, k) =>
        other?.op === one.op &&
        other.domain === one.domain &&
        other.name === one.name &&
        JSON.stringify(other.attributes) === JSON.stringify(one.attributes) &&
        other.outputs.length === one.outputs.length &&
        other.inputs.length === one.inputs.length &&
        other.inputs.every((input, at) => {
          const first = one.inputs[at];
          if (!first || !input) return first === input;
          return find(first).twins[k] === traces[k].graph.resolve(input);
        }),
    );
    if (!alike) throw notAlike(one);
    if (one.op === 'Input') continue;
    const twins = one.outputs.map((_, k) => all.map((other) => other!.outputs[k]));
    let copies: readonly Value[];
    if (one.op === 'Constant') {
      const [[value, ...others]] = twins;
      const lists = [value, ...others].map((twin) => twin.node.data!);
      const stays = same(lists) && same(twins[0].map(({ shape }) => shape));
      const copy = stays ? graph.constant(lists[0], value.shape, value.dtype) : constant(twins[0]);
      if (!copy) tied.set(value, `numbers that depend on the batch, ${describe(value.dtype, twins[0])}`);
      copies = [copy ?? value];
    } else {
      const copiedInputs = one.inputs.map((input, at) => input && ((at === 1 && openShape(one)) || copyOf(input, one)));
      copies = graph.node(one.op, copiedInputs, one.outputs, one.attributes, one.domain);
    }
    one.outputs.forEach((value, k) => known.set(value, { twins: twins[k], copy: copies[k] }));
  }

  const port = (values: readonly Value[]) => {
    const [value, ...others] = values.map((one) => one.graph.resolve(one));
    const { twins, copy } = known.get(value)!;
    if (others.some((other, k) => other !== twins[k + 1])) throw notAlike(value.node);
    const why = tied.get(value);
    if (why) throw new Error(`a result is ${why}`);
    const sizes = value.shape.map((_, axis) => sizeThrough(twins.map(({ shape }) => shape[axis])));
    return { value: copy, shape: sizes.map((size, axis) => (size ? dimension(size) : `size${axis}of${value.id}`)) };
  };
  return {
    inputs: traces[0].inputs.map((_, i) => port(traces.map(({ inputs: all }) => all[i]))),
    outputs: traces[0].outputs.map((_, i) => port(traces.map(({ outputs: all }) => all[i]))),
  };
}

const notAlike = ({ op }: Node) => new Error(`the operators are not the same for every batch, from ${op} on`);

/** A size as a model says it: a number, or in words. */
function dimension({ times, plus }: Size): number | string {
  if (times === 0) return plus;
  return `${times === 1 ? '' : `${times}*`}batch${plus > 0 ? '+' : ''}${plus === 0 ? '' : plus}`;
}

/** A constant for an error message. */
function describe(dtype: DType, twins: readonly Value[]): string {
  const sizes = sizesThrough(twins.map(({ shape }) => shape));
  return `${dtype} [${sizes ? sizes.map(dimension).join(', ') : '?'}]`;
}
