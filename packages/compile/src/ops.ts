import { foldBinary, foldUnary } from './fold';
import { factoredReduce, fuseProduct, fuseSum, unshaped } from './fuse';
import type { Attributes, DType, Graph, Shape, Value } from './graph';
import { sameShape, sizeOf, uniformValue } from './graph';

/* Operators as functions of values: each knows its result's shape and the identities by which it need not be computed at all. */

const contrib = 'com.microsoft';

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

export const scalar = (graph: Graph, value: number, dtype: DType = 'float32'): Value => graph.constant([value], [], dtype);
export const int64s = (graph: Graph, values: readonly number[]): Value => graph.constant(values, [values.length], 'int64');
export const full = (graph: Graph, shape: Shape, value: number, dtype: DType = 'float32'): Value => graph.constant([value], shape, dtype);

/** @throws RangeError if the shapes do not broadcast together */
export function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (x !== y && x !== 1 && y !== 1) throw new RangeError(`shapes [${a.join(', ')}] and [${b.join(', ')}] do not broadcast together`);
    return x === 1 ? y : x;
  });
}

const isExpand = (value: Value) => value.node.op === 'Expand';

// ---- element-wise ----

export function unary(op: string, x: Value, attributes: Attributes = {}, domain = '', dtype = x.dtype): Value {
  x = x.graph.resolve(x);
  const folded = domain === '' && foldUnary(op, x, dtype);
  if (folded) return x.graph.constant(folded, x.shape, dtype);
  if (isExpand(x)) return expand(unary(op, x.node.inputs[0]!, attributes, domain, dtype), x.shape);
  return node(op, [x], x.shape, dtype, attributes, domain);
}

/** The elements that one inner loop of ORT's broadcasting should at least have. */
const minSpan = 256;

/**
 * ORT broadcasts in loops over the inner axes on which the smaller operand is either full or has one element.
 * @returns the outermost of those axes, and whether it has one element there; the operand's shape filled up with ones
 */
function innerLoop(value: Value, shape: Shape): { axis: number; repeats: boolean; wide: number[] } {
  const wide = [...Array<number>(shape.length - value.shape.length).fill(1), ...value.shape];
  let axis = shape.length;
  while (axis > 0 && shape[axis - 1] === 1) axis--;
  const repeats = axis > 0 && wide[axis - 1] !== shape[axis - 1];
  while (axis > 0 && (shape[axis - 1] === 1 || (wide[axis - 1] !== shape[axis - 1]) === repeats)) axis--;
  return { axis, repeats, wide };
}

/** Where those loops would be short, the operand is repeated along the next axes. */
function widen(value: Value, shape: Shape): Value {
  const size = sizeOf(value.shape);
  if (size === 1 || size === sizeOf(shape) || !value.graph.target.contrib) return value;
  const { axis, repeats, wide } = innerLoop(value, shape);
  if (sizeOf(shape.slice(axis)) >= minSpan) return value;
  const source = [...wide];
  if (repeats) for (let i = axis; i < shape.length; i++) wide[i] = shape[i];
  for (let i = axis - 1; i >= 0 && sizeOf(wide.slice(i + 1)) < minSpan; i--) wide[i] = shape[i];
  return sizeOf(wide) * 8 > sizeOf(shape) ? value : expand(reshape(value, source), wide);
}

/** The axes that two shapes of the same size have in common when both are split further, with the axis of each that they are part of. */
function commonAxes(a: Shape, b: Shape): { size: number; a: number; b: number }[] | undefined {
  const axes: { size: number; a: number; b: number }[] = [];
  let [i, j] = [a.length - 1, b.length - 1];
  let [restA, restB] = [a[i], b[j]];
  while (i >= 0 && j >= 0) {
    const size = Math.min(restA, restB);
    if (restA % size !== 0 || restB % size !== 0) return undefined;
    axes.unshift({ size, a: i, b: j });
    [restA, restB] = [restA / size, restB / size];
    if (restA === 1) restA = a[--i];
    if (restB === 1) restB = b[--j];
  }
  return i < 0 && j < 0 ? axes : undefined;
}

/**
 * Where a large operand is only a reshaped one, and the small one is repeated in short loops (one number for a group of channels, say):
 * the same computed in the shape it had before, in which the small operand can be widened.
 */
function beforeReshape(op: string, a: Value, b: Value, shape: Shape, dtype: DType): Value | undefined {
  const { graph } = a;
  const size = sizeOf(shape);
  const reshaped = [a, b].filter((value) => value.node.op === 'Reshape' && sizeOf(value.shape) === size);
  if (reshaped.length === 0 || !graph.target.contrib || size === 0) return undefined;
  const source = graph.resolve(reshaped[0].node.inputs[0]!).shape;
  const squeezed = (list: Shape) => list.filter((extent) => extent !== 1);
  const axes = commonAxes(squeezed(shape), squeezed(source));
  if (!axes) return undefined;

  const convert = (value: Value): Value | undefined => {
    if (sizeOf(value.shape) === size) {
      const from = value.node.op === 'Reshape' ? graph.resolve(value.node.inputs[0]!) : undefined;
      return from && sameShape(from.shape, source) ? from : undefined;
    }
    const { axis, repeats, wide } = innerLoop(value, shape);
    if (!repeats || sizeOf(shape.slice(axis)) >= minSpan) return undefined;
    const extents = wide.filter((_, i) => shape[i] !== 1);
    const parts = axes.map(({ size: part, a: i }) => (extents[i] === 1 ? 1 : part));
    // An axis of the source that it is only partly repeated along is written out in full.
    const full = new Set(axes.filter((_, i) => parts[i] !== 1).map(({ b: j }) => j));
    const written = axes.map(({ size: part, b: j }) => (full.has(j) ? part : 1));
    let next = 0;
    const target = source.map((extent) => (extent === 1 || full.has(next++) ? extent : 1));
    return reshape(expand(reshape(value, parts), written), target);
  };
  const [x, y] = [convert(a), convert(b)];
  return x && y && reshape(binary(op, x, y, dtype), shape);
}

export function binary(op: string, left: Value | number, right: Value | number, dtype?: DType): Value {
  const { graph, dtype: type } = typeof left === 'number' ? (right as Value) : left;
  let a = graph.resolve(typeof left === 'number' ? scalar(graph, left, type) : left);
  let b = graph.resolve(typeof right === 'number' ? scalar(graph, right, type) : right);
  const outType = dtype ?? a.dtype;
  const shape = broadcastShape(a.shape, b.shape);

  const folded = foldBinary(op, a, b, shape, outType);
  if (folded) return graph.constant(folded, shape, outType);
  const [x, y] = [uniformValue(a), uniformValue(b)];
  if (outType === a.dtype && outType === b.dtype) {
    const keepsA =
      y !== undefined && ((y === 0 && (op === 'Add' || op === 'Sub')) || (y === 1 && (op === 'Mul' || op === 'Div' || op === 'Pow')));
    const keepsB = x !== undefined && ((x === 0 && op === 'Add') || (x === 1 && op === 'Mul'));
    if (keepsA) return expand(a, shape);
    if (keepsB) return expand(b, shape);
  }
  // An operand with one value for all, or one that is only repeated, need not be written out in full.
  if (y !== undefined && sizeOf(b.shape) > 1) return expand(binary(op, a, scalar(graph, y, b.dtype), dtype), shape);
  if (x !== undefined && sizeOf(a.shape) > 1) return expand(binary(op, scalar(graph, x, a.dtype), b, dtype), shape);
  if (isExpand(a) || isExpand(b)) {
    const [innerA, innerB] = [a, b].map((value) => (isExpand(value) ? value.node.inputs[0]! : value));
    return expand(binary(op, innerA, innerB, dtype), shape);
  }
  if (op === 'Mul') {
    const fused = fuseProduct(a, b);
    if (fused) return fused;
  }
  if (op === 'Add') {
    const fused = addBias(a, b) ?? addBias(b, a) ?? fuseSum(a, b) ?? fuseSum(b, a);
    if (fused) return fused;
  }
  if (endsInOne(shape) && (sizeOf(a.shape) === 1 || sizeOf(b.shape) === 1)) {
    const [flatA, flatB] = [a, b].map((value) => reshape(value, sizeOf(value.shape) === 1 ? [] : flat(shape)));
    return reshape(binary(op, flatA, flatB, dtype), shape);
  }
  const before = beforeReshape(op, a, b, shape, outType);
  if (before) return before;
  // In one order, so that a·b and b·a are the same node.
  if (commutative.has(op) && b.id < a.id) [a, b] = [b, a];
  return node(op, [widen(a, shape), widen(b, shape)], shape, outType);
}

/** With a scalar, ORT would go through such a shape one element at a time. */
const endsInOne = (shape: Shape) => shape.length > 1 && shape.at(-1) === 1 && sizeOf(shape) >= minSpan;
const flat = (shape: Shape) => [sizeOf(shape)];

const commutative = new Set(['Add', 'Mul', 'Max', 'Min', 'And', 'Or', 'Xor', 'Equal']);

export const add = (a: Value | number, b: Value | number): Value => binary('Add', a, b);
export const sub = (a: Value | number, b: Value | number): Value => binary('Sub', a, b);
export const mul = (a: Value | number, b: Value | number): Value => binary('Mul', a, b);
export const div = (a: Value | number, b: Value | number): Value => binary('Div', a, b);
export const compare = (op: string, a: Value | number, b: Value | number): Value => binary(op, a, b, 'bool');

/** condition ? a : b, element by element; all three broadcast. */
export function where(condition: Value, a: Value | number, b: Value | number): Value {
  const { graph } = condition;
  const dtype = typeof a === 'number' ? (b as Value).dtype : a.dtype;
  const [x, y] = [a, b].map((value) => {
    if (typeof value === 'number') return scalar(graph, value, dtype);
    const uniform = uniformValue(value);
    return uniform === undefined ? value : scalar(graph, uniform, dtype);
  });
  const given = [a, b].reduce<Shape>(
    (shape, value) => (typeof value === 'number' ? shape : broadcastShape(shape, value.shape)),
    condition.shape,
  );
  const shape = broadcastShape(condition.shape, broadcastShape(x.shape, y.shape));
  const parts = [condition, x, y];
  const apart = endsInOne(shape) && parts.every((part) => sizeOf(part.shape) === 1 || sizeOf(part.shape) === sizeOf(shape));
  const [c, p, q] = apart ? parts.map((part) => reshape(part, sizeOf(part.shape) === 1 ? [] : flat(shape))) : parts;
  return expand(reshape(node('Where', [c, p, q], apart ? flat(shape) : shape, dtype), shape), given);
}

const castCode: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

export function cast(x: Value, dtype: DType): Value {
  x = x.graph.resolve(x);
  if (x.dtype === dtype) return x;
  const { data } = x.node;
  if (data && (dtype === 'float32' || dtype === 'int32'))
    return x.graph.constant(Array.from(data as ArrayLike<number>, dtype === 'int32' ? Math.trunc : Number), x.shape, dtype);
  if (isExpand(x)) return expand(cast(x.node.inputs[0]!, dtype), x.shape);
  return node('Cast', [x], x.shape, dtype, { to: castCode[dtype] });
}

// ---- shapes ----

export function reshape(x: Value, shape: Shape): Value {
  x = x.graph.resolve(x);
  if (sameShape(x.shape, shape)) return x;
  if (sizeOf(x.shape) !== sizeOf(shape)) throw new RangeError(`cannot reshape [${x.shape.join(', ')}] to [${shape.join(', ')}]`);
  if (x.node.data) return x.graph.constant(x.node.data, shape, x.dtype);
  if (x.node.op === 'Reshape') return reshape(x.node.inputs[0]!, shape);
  if (isExpand(x)) {
    const moved = reshapeExpand(x, shape);
    if (moved) return moved;
  }
  // allowzero, or a size of zero would mean "as in the input".
  return node('Reshape', [x, int64s(x.graph, shape)], shape, x.dtype, sizeOf(shape) === 0 ? { allowzero: 1 } : {});
}

/** Reshape of an expanded value as an expansion of a reshaped one, where only axes of size 1 come or go. */
function reshapeExpand(x: Value, shape: Shape): Value | undefined {
  const inner = x.node.inputs[0]!;
  const source = [...Array<number>(x.shape.length - inner.shape.length).fill(1), ...inner.shape];
  const kept = x.shape.map((size, i) => ({ size, from: source[i] })).filter(({ size }) => size !== 1);
  const target: number[] = [];
  let next = 0;
  for (const size of shape) {
    if (size === 1) target.push(1);
    else if (kept[next]?.size === size) target.push(kept[next++].from);
    else return undefined;
  }
  return next === kept.length ? expand(reshape(inner, target), shape) : undefined;
}

export function transpose(x: Value, perm: readonly number[]): Value {
  x = x.graph.resolve(x);
  if (x.node.op === 'Transpose') {
    const before = x.node.attributes.perm as readonly number[];
    return transpose(
      x.node.inputs[0]!,
      perm.map((axis) => before[axis]),
    );
  }
  const product = headProduct(x, perm);
  if (product) return product;
  const shape = perm.map((axis) => x.shape[axis]);
  // Where only axes of size 1 move, nothing moves in memory.
  const moving = perm.filter((axis) => x.shape[axis] !== 1);
  if (moving.every((axis, i) => i === 0 || axis > moving[i - 1])) return reshape(x, shape);
  if (uniformValue(x) !== undefined) return x.graph.constant(x.node.data!, shape, x.dtype);
  return node('Transpose', [x], shape, x.dtype, { perm: [...perm] });
}

export function expand(x: Value, shape: Shape): Value {
  x = x.graph.resolve(x);
  if (sameShape(x.shape, shape)) return x;
  if (uniformValue(x) !== undefined) return x.graph.constant(x.node.data!, shape, x.dtype);
  if (sizeOf(x.shape) === sizeOf(shape)) return reshape(x, shape);
  if (isExpand(x)) return expand(x.node.inputs[0]!, shape);
  return node('Expand', [x, int64s(x.graph, shape)], shape, x.dtype);
}

export function slice(x: Value, begin: readonly number[], size: readonly number[], strides: readonly number[] = begin.map(() => 1)): Value {
  x = x.graph.resolve(x);
  if (sameShape(x.shape, size) && strides.every((stride) => stride === 1)) return x;
  if (uniformValue(x) !== undefined) return x.graph.constant(x.node.data!, size, x.dtype);
  const axes = x.shape.map((_, i) => i).filter((i) => size[i] !== x.shape[i] || strides[i] !== 1);
  const ends = axes.map((i) => {
    const end = begin[i] + size[i] * strides[i];
    // Counting down, an end before the first element is written as a very negative one.
    return end < 0 ? -(2 ** 31) : end;
  });
  const pick = (values: readonly number[]) => int64s(x.graph, values);
  const inputs = [x, pick(axes.map((i) => begin[i])), pick(ends), pick(axes), pick(axes.map((i) => strides[i]))];
  return node('Slice', inputs, size, x.dtype);
}

export function concat(values: readonly Value[], axis: number): Value {
  const parts = values.filter((value) => value.shape[axis] > 0);
  if (parts.length === 1) return parts[0];
  if (parts.length === 0) return values[0];
  const shape = parts[0].shape.map((size, i) => (i === axis ? parts.reduce((sum, part) => sum + part.shape[axis], 0) : size));
  return node('Concat', parts, shape, parts[0].dtype, { axis });
}

export function split(x: Value, sizes: readonly number[], axis: number): readonly Value[] {
  x = x.graph.resolve(x);
  if (sizes.length === 1) return [x];
  const parts = splitWeight(x, sizes, axis) ?? splitProduct(x, sizes, axis);
  if (parts) return parts;
  const outputs = sizes.map((part) => ({ shape: x.shape.map((size, i) => (i === axis ? part : size)), dtype: x.dtype }));
  return x.graph.node('Split', [x, int64s(x.graph, sizes)], outputs, { axis });
}

/** @param before, after elements to add on each axis */
export function pad(x: Value, before: readonly number[], after: readonly number[], value = 0, mode = 'constant'): Value {
  x = x.graph.resolve(x);
  if ([...before, ...after].every((count) => count === 0)) return x;
  const shape = x.shape.map((size, i) => before[i] + size + after[i]);
  const fill = mode === 'constant' && value !== 0 ? [scalar(x.graph, value, x.dtype)] : [];
  return node('Pad', [x, int64s(x.graph, [...before, ...after]), ...fill], shape, x.dtype, { mode });
}

export function gather(x: Value, indices: Value, axis: number): Value {
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return node('Gather', [x, indices], shape, x.dtype, { axis });
}

// ---- reductions ----

/** Axes in ascending order, none negative. `undefined` and null mean all. */
export function parseAxes(axis: number | readonly number[] | null | undefined, rank: number): number[] {
  const axes = axis === undefined || axis === null ? Array.from({ length: rank }, (_, i) => i) : typeof axis === 'number' ? [axis] : axis;
  return [...new Set(axes.map((i) => (i < 0 ? i + rank : i)))].sort((a, b) => a - b);
}

/**
 * A reduction that keeps its axes as size 1. Axes with others between them are reduced one run after the other, since ORT has fast
 * loops only for one run, or two with the kept axes between them.
 */
export function reduce(op: string, x: Value, axes: readonly number[]): Value {
  x = x.graph.resolve(x);
  const real = axes.filter((axis) => x.shape[axis] !== 1);
  if (real.length === 0) return x;
  const runs: number[][] = [];
  for (const axis of real) {
    const run = runs.at(-1);
    if (run && x.shape.slice(run.at(-1)! + 1, axis).every((size) => size === 1)) run.push(axis);
    else runs.push([axis]);
  }
  // Summing within each image first is faster than summing rows over all, and what several sums have in common.
  if (runs[0][0] === 0 && runs[0].length > 1 && runs[0].at(-1)! < x.shape.length - 1) runs.splice(0, 1, runs[0].slice(1), [0]);
  let result = x;
  for (const run of runs) {
    const shape = result.shape.map((size, i) => (run.includes(i) ? 1 : size));
    // Merged to [outer, reduced, inner] without axes of size 1, the forms that ORT has fast loops for.
    const [outer, reduced] = [sizeOf(result.shape.slice(0, run[0])), sizeOf(run.map((axis) => result.shape[axis]))];
    const inner = sizeOf(result.shape) / outer / reduced;
    const factored = factoredReduce(op, result, [outer, reduced, inner]);
    if (factored) {
      result = reshape(factored, shape);
      continue;
    }
    const [before, behind] = [outer === 1 ? [] : [outer], inner === 1 ? [] : [inner]];
    const merged = reshape(result, [...before, reduced, ...behind]);
    const kept = node(op, [merged, int64s(x.graph, [before.length])], [...before, 1, ...behind], x.dtype, { keepdims: 1 });
    result = reshape(kept, shape);
  }
  return result;
}

export const sum = (x: Value, axes: readonly number[]): Value => reduce('ReduceSum', x, axes);
export const mean = (x: Value, axes: readonly number[]): Value => reduce('ReduceMean', x, axes);
export const dropAxes = (x: Value, axes: readonly number[]): Value =>
  reshape(
    x,
    x.shape.filter((_, i) => !axes.includes(i)),
  );

// ---- matrices ----

const swapped = (rank: number): number[] => Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));

/** op(a) op(b) over the last two axes, the others broadcast; op transposes where asked. */
export function matMul(a: Value, b: Value, transposeA = false, transposeB = false): Value {
  const { graph } = a;
  a = graph.resolve(a);
  b = graph.resolve(b);
  const [rows, inner] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const columns = transposeB ? b.shape.at(-2)! : b.shape.at(-1)!;
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, rows, columns];
  if (inner === 0) return full(graph, shape, 0, a.dtype);
  // Of one matrix for all of a's: all rows at once.
  if (b.shape.length === 2 && a.shape.length > 2 && !transposeA)
    return reshape(matMul(reshape(a, [sizeOf(batch) * rows, inner]), b, false, transposeB), shape);
  const apart = joinedProduct(a, b, transposeA, transposeB);
  if (apart) return apart;
  // ORT turns all of a before it multiplies: with few columns, that takes longer than to turn the result.
  if (transposeA && !transposeB && columns <= 32 && 2 * columns < rows) return transpose(matMul(b, a, true, false), swapped(shape.length));
  if (!transposeA && !transposeB) return node('MatMul', [a, b], shape, a.dtype);
  if (a.shape.length === 2 && b.shape.length === 2 && a.dtype === 'float32') {
    return node('Gemm', [a, b], shape, a.dtype, { transA: Number(transposeA), transB: Number(transposeB) });
  }
  if (graph.target.contrib && a.dtype === 'float32' && sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2))) {
    return node('FusedMatMul', [a, b], shape, a.dtype, { transA: Number(transposeA), transB: Number(transposeB) }, contrib);
  }
  const straight = (x: Value, flip: boolean) => (flip ? transpose(x, swapped(x.shape.length)) : x);
  return node('MatMul', [straight(a, transposeA), straight(b, transposeB)], shape, a.dtype);
}

/** Whether a value is a parameter or a constant, so that what is done to it is done once a step. */
function isWeight(value: Value): boolean {
  let current = value;
  while (['Reshape', 'Transpose', 'Slice'].includes(current.node.op)) current = current.graph.resolve(current.node.inputs[0]!);
  return current.node.op === 'Constant' || (current.node.op === 'Input' && current.graph.weights.has(current));
}

/** The parts of a weight, as slices: those are known to be weights again. */
function splitWeight(x: Value, sizes: readonly number[], axis: number): Value[] | undefined {
  if (!isWeight(x)) return undefined;
  let from = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, i) => (i === axis ? from : 0));
    from += size;
    return slice(
      x,
      begin,
      x.shape.map((extent, i) => (i === axis ? size : extent)),
    );
  });
}

/** The columns of a matrix product, each part as the product with its own columns of the weights. */
function splitProduct(x: Value, sizes: readonly number[], axis: number): Value[] | undefined {
  const product = unshaped(x);
  const { op, inputs } = product.node;
  if (axis !== x.shape.length - 1 || op !== 'MatMul' || product.shape.length !== 2 || product.shape[1] !== x.shape[axis]) return undefined;
  const [a, w] = [inputs[0]!, inputs[1]!];
  if (!isWeight(w)) return undefined;
  let from = 0;
  return sizes.map((size) => {
    const columns = slice(w, [0, from], [w.shape[0], size]);
    from += size;
    return reshape(matMul(a, columns), [...x.shape.slice(0, -1), size]);
  });
}

/**
 * The columns of a matrix product [n·rows, inner] w taken apart as heads: x [n, rows, heads, d] transposed to [n, heads, rows, d] or
 * [n, heads, d, rows] is a product with each head's own columns, which need not be moved.
 */
function headProduct(x: Value, perm: readonly number[]): Value | undefined {
  const straight = sameShape(perm, [0, 2, 1, 3]);
  const product = unshaped(x);
  if ((!straight && !sameShape(perm, [0, 2, 3, 1])) || product.node.op !== 'MatMul' || !x.graph.target.contrib) return undefined;
  const [n, rows, heads, d] = x.shape;
  const [a, w] = [product.node.inputs[0]!, x.graph.resolve(product.node.inputs[1]!)];
  const columns = heads * d;
  if (product.shape.length !== 2 || product.shape[1] !== columns || !isWeight(w)) return undefined;
  const inner = w.shape[0];
  if (straight) {
    const right = reshape(transpose(reshape(w, [inner, heads, d]), [1, 0, 2]), [1, heads, inner, d]);
    return node('MatMul', [reshape(a, [n, 1, rows, inner]), right], [n, heads, rows, d], x.dtype);
  }
  // Transposed, the heads lie one after the other as they do in the weights.
  const factors = [reshape(w, [1, inner, columns]), reshape(a, [n, rows, inner])];
  return reshape(node('FusedMatMul', factors, [n, columns, rows], x.dtype, { transA: 1, transB: 1 }, contrib), [n, heads, d, rows]);
}

/** What a value was put together from along its last axis, as matrices. */
function joinedColumns(value: Value): Value[] | undefined {
  const joined = unshaped(value);
  const { op, inputs, attributes } = joined.node;
  if (op !== 'Concat' || attributes.axis !== joined.shape.length - 1 || joined.shape.at(-1) !== value.shape[1] || value.shape.length !== 2)
    return undefined;
  return inputs.map((input) => reshape(input!, [value.shape[0], input!.shape.at(-1)!]));
}

/** A product with a matrix that was put together from columns, as products with those. */
function joinedProduct(a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value | undefined {
  if (a.shape.length !== 2 || b.shape.length !== 2) return undefined;
  const right = transposeA && !transposeB ? joinedColumns(b) : undefined;
  if (right) {
    return concat(
      right.map((part) => matMul(a, part, true, false)),
      1,
    );
  }
  const left = !transposeA && transposeB && isWeight(b) ? joinedColumns(a) : undefined;
  if (!left) return undefined;
  let from = 0;
  const products = left.map((part) => {
    const columns = slice(b, [0, from], [b.shape[0], part.shape[1]]);
    from += part.shape[1];
    return matMul(part, columns, false, true);
  });
  return products.reduce((total, product) => add(total, product));
}

// ---- biases ----

/** A sum with one number for each channel, where what it is added to can do that itself: a blocked convolution, or a product of matrices. */
function addBias(value: Value, b: Value): Value | undefined {
  const channels = value.shape.at(-1);
  if (b.shape.at(-1) !== channels || sizeOf(b.shape) !== channels) return undefined;
  const bias = reshape(b, [channels]);
  const convolution = value.graph.biased.get(value);
  if (convolution) return convolution(bias);
  const product = value.node.op === 'Reshape' ? value.node.inputs[0]! : value;
  if (product.node.op !== 'MatMul' || product.shape.length !== 2 || product.dtype !== 'float32' || product.shape[1] !== channels)
    return undefined;
  return reshape(node('Gemm', [...product.node.inputs, bias], product.shape, 'float32'), value.shape);
}
