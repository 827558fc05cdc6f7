/** Element types that a graph computes with. tfjs knows all but int64, which ONNX wants for shapes and axes. */
export type DType = 'float32' | 'int32' | 'int64' | 'bool';
export type Shape = readonly number[];
export type ConstantData = Float32Array | Float64Array | Int32Array | Uint8Array;
export type Attribute = number | string | readonly number[];
export type Attributes = Readonly<Record<string, Attribute>>;

/**
 * The operators that a graph may use: nothing but standard operators, ORT's own fused ones, or also its blocked
 * convolutions of a known block size.
 */
export interface Target {
  /** Whether ORT's com.microsoft operators may be used. */
  readonly contrib: boolean;
  /** Channels in a block of com.microsoft.nchwc, or 0 where they may not be used. */
  readonly block: number;
  /** Whether intermediate results may be fused away, since no gradient needs them again. */
  readonly inference?: boolean;
  /** The most results that a node may have, where a device binds only so many buffers. */
  readonly results?: number;
  /** Whether filters may take no more memory than they have values, though more would be faster. */
  readonly compact?: boolean;
}

/** One result of one node. */
export interface Value {
  readonly id: number;
  readonly graph: Graph;
  readonly node: Node;
  /** Which of the node's outputs this is. */
  readonly index: number;
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface Node {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  /** A constant's values: one for each element, or a single one that every element has. */
  readonly data?: ConstantData;
  /** An input's name. */
  readonly name?: string;
}

/**
 * Patterns that can be computed in fewer passes over memory, each recognised where its last operator is to be built;
 * undefined is for what is none. A graph has them from outside, since they are made of operators themselves.
 */
export interface Fusions {
  readonly sum?: (a: Value, b: Value) => Value | undefined;
  readonly product?: (a: Value, b: Value) => Value | undefined;
  /** x, as [outer, reduced, inner], reduced over the middle: [outer, 1, inner]. */
  readonly reduction?: (op: string, x: Value, shape: readonly [number, number, number]) => Value | undefined;
  readonly transpose?: (x: Value, perm: readonly number[]) => Value | undefined;
  readonly split?: (x: Value, sizes: readonly number[], axis: number) => readonly Value[] | undefined;
}

/** A tensor's name, shape and type, without its values. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, i) => size === b[i]);

const arrays = { float32: Float32Array, int32: Int32Array, int64: Float64Array, bool: Uint8Array };

/**
 * A dataflow graph under construction. A node equal to an earlier one (operator, attributes and inputs) is that earlier
 * one; what nothing uses is never written out. So building a graph is also its common-subexpression and dead-code
 * elimination.
 */
export class Graph {
  readonly target: Target;
  readonly fusions: Fusions;
  readonly inputs: Value[] = [];
  /** Those of the inputs that stay the same while others change. */
  readonly weights = new Set<Value>();
  private readonly known = new Map<string, Node>();
  private readonly replacements = new Map<Value, Value>();
  private nextId = 0;

  constructor(target: Target, fusions: Fusions = {}) {
    this.target = target;
    this.fusions = fusions;
  }

  input(name: string, shape: Shape, dtype: DType): Value {
    const [value] = this.create({ op: 'Input', domain: '', inputs: [], attributes: {}, name }, [{ shape, dtype }]);
    this.inputs.push(value);
    return value;
  }

  /** @param data a value for each element, or one for all */
  constant(data: ArrayLike<number>, shape: Shape, dtype: DType): Value {
    const size = sizeOf(shape);
    if (data.length !== size && data.length !== 1) {
      throw new RangeError(`Graph: a constant of shape [${shape.join(', ')}] needs ${size} values, got ${data.length}`);
    }
    let uniform = data.length > 0;
    for (let i = 1; i < data.length && uniform; i++) uniform = Object.is(data[i], data[0]);
    const values = arrays[dtype].from(uniform ? [data[0]] : data);
    const spec = [{ shape, dtype }];
    const node = { op: 'Constant', domain: '', inputs: [], attributes: {}, data: values };
    // Large ones are parameters; comparing their values with each other's would cost more than it saves. Tables of
    // indices are worth it.
    if (values.length > 4096 && dtype === 'float32') return this.create(node, spec)[0];
    const text =
      dtype === 'float32' ? Array.from(values, (value) => (Object.is(value, -0) ? '-0' : value)).join() : values.join();
    return this.unique(`Constant|${dtype}|${shape.join()}|${text}`, node, spec)[0];
  }

  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly { shape: Shape; dtype: DType }[],
    attributes: Attributes = {},
    domain = '',
  ): readonly Value[] {
    const resolved = inputs.map((input) => input && this.resolve(input));
    const ids = resolved.map((input) => input?.id ?? '').join();
    const names = Object.keys(attributes).sort();
    const key = `${domain}|${op}|${ids}|${names.map((name) => `${name}=${String(attributes[name])}`).join('|')}|${outputs.map(({ dtype }) => dtype).join()}`;
    return this.unique(key, { op, domain, inputs: resolved, attributes }, outputs);
  }

  /** From now on, and where it is used already, `value` means `replacement`, which must not depend on it. */
  replace(value: Value, replacement: Value): void {
    if (this.resolve(replacement) !== this.resolve(value)) this.replacements.set(this.resolve(value), replacement);
  }

  resolve(value: Value): Value {
    let current = value;
    for (let next = this.replacements.get(current); next; next = this.replacements.get(current)) current = next;
    return current;
  }

  private unique(
    key: string,
    node: Omit<Node, 'outputs'>,
    outputs: readonly { shape: Shape; dtype: DType }[],
  ): readonly Value[] {
    const existing = this.known.get(key);
    if (existing) return existing.outputs;
    const values = this.create(node, outputs);
    this.known.set(key, values[0].node);
    return values;
  }

  private create(fields: Omit<Node, 'outputs'>, outputs: readonly { shape: Shape; dtype: DType }[]): Value[] {
    const node = { ...fields, outputs: [] as Value[] };
    for (const [index, { shape, dtype }] of outputs.entries()) {
      node.outputs.push({ id: this.nextId++, graph: this, node, index, shape: [...shape], dtype });
    }
    return node.outputs;
  }
}

/** The nodes that the outputs depend on, each after those it depends on. It stops at the values in `stop`. */
export function reachable(outputs: readonly Value[], stop: ReadonlySet<Value> = new Set()): Node[] {
  const order: Node[] = [];
  const visited = new Set<Node>();
  // An explicit stack: a traced training step is thousands of nodes deep.
  const stack: { node: Node; next: number }[] = [];
  const push = (value: Value) => {
    if (stop.has(value) || visited.has(value.node)) return;
    visited.add(value.node);
    stack.push({ node: value.node, next: 0 });
  };
  for (const output of outputs) {
    push(output.graph.resolve(output));
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next === top.node.inputs.length) {
        order.push(top.node);
        stack.pop();
      } else {
        const input = top.node.inputs[top.next++];
        if (input) push(input.graph.resolve(input));
      }
    }
  }
  return order;
}

/** A constant's value where all its elements have the same. */
export function uniformValue(value: Value): number | undefined {
  const { data } = value.node;
  return data?.length === 1 ? data[0] : undefined;
}

/** The value that this one is a rearrangement-free view of. */
export function unshaped(value: Value): Value {
  let current = value.graph.resolve(value);
  while (current.node.op === 'Reshape') current = current.graph.resolve(current.node.inputs[0]!);
  return current;
}

/** Whether a value is a parameter or a constant, so that what is done to it is done once a step. */
export function isWeight(value: Value): boolean {
  let current = value;
  while (['Reshape', 'Transpose', 'Slice'].includes(current.node.op))
    current = current.graph.resolve(current.node.inputs[0]!);
  return current.node.op === 'Constant' || (current.node.op === 'Input' && current.graph.weights.has(current));
}
