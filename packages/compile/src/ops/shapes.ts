import type { Shape, Value } from '../graph';
import { isWeight, sameShape, sizeOf, uniformValue } from '../graph';
import { int64s, node, scalar } from './node';

export const isExpand = (value: Value) => value.node.op === 'Expand';

export function reshape(x: Value, shape: Shape): Value {
  x = x.graph.resolve(x);
  if (sameShape(x.shape, shape)) return x;
  if (sizeOf(x.shape) !== sizeOf(shape))
    throw new RangeError(`cannot reshape [${x.shape.join(', ')}] to [${shape.join(', ')}]`);
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
  const fused = x.graph.fusions.transpose?.(x, perm);
  if (fused) return fused;
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

export function slice(
  x: Value,
  begin: readonly number[],
  size: readonly number[],
  strides: readonly number[] = begin.map(() => 1),
): Value {
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
  const shape = parts[0].shape.map((size, i) =>
    i === axis ? parts.reduce((sum, part) => sum + part.shape[axis], 0) : size,
  );
  return node('Concat', parts, shape, parts[0].dtype, { axis });
}

export function split(x: Value, sizes: readonly number[], axis: number): readonly Value[] {
  x = x.graph.resolve(x);
  if (sizes.length === 1) return [x];
  const parts = splitWeight(x, sizes, axis) ?? x.graph.fusions.split?.(x, sizes, axis);
  if (parts) return parts;
  const outputs = sizes.map((part) => ({
    shape: x.shape.map((size, i) => (i === axis ? part : size)),
    dtype: x.dtype,
  }));
  return x.graph.node('Split', [x, int64s(x.graph, sizes)], outputs, { axis });
}

/** @param before, after elements to add on each axis */
export function pad(
  x: Value,
  before: readonly number[],
  after: readonly number[],
  value = 0,
  mode = 'constant',
): Value {
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
