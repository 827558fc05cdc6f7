import type { Attributes, DType, Shape, Value } from '../graph';
import { sizeOf, uniformValue } from '../graph';
import { beforeReshape, broadcastShape, minSpan, widen } from './broadcast';
import { foldBinary, foldUnary } from './fold';
import { node, scalar } from './node';
import { expand, isExpand, reshape } from './shapes';

export function unary(op: string, x: Value, attributes: Attributes = {}, domain = '', dtype = x.dtype): Value {
  x = x.graph.resolve(x);
  const folded = domain === '' && foldUnary(op, x, dtype);
  if (folded) return x.graph.constant(folded, x.shape, dtype);
  if (isExpand(x)) return expand(unary(op, x.node.inputs[0]!, attributes, domain, dtype), x.shape);
  return node(op, [x], x.shape, dtype, attributes, domain);
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
      y !== undefined &&
      ((y === 0 && (op === 'Add' || op === 'Sub')) || (y === 1 && (op === 'Mul' || op === 'Div' || op === 'Pow')));
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
    const fused = graph.fusions.product?.(a, b);
    if (fused) return fused;
  }
  if (op === 'Add') {
    const fused = graph.fusions.sum?.(a, b);
    if (fused) return fused;
  }
  if (endsInOne(shape) && (sizeOf(a.shape) === 1 || sizeOf(b.shape) === 1)) {
    const [flatA, flatB] = [a, b].map((value) => reshape(value, sizeOf(value.shape) === 1 ? [] : flat(shape)));
    return reshape(binary(op, flatA, flatB, dtype), shape);
  }
  const before = beforeReshape(a, b, shape);
  if (before) return reshape(binary(op, before[0], before[1], outType), shape);
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
  const resultShape = [a, b].reduce<Shape>(
    (shape, value) => (typeof value === 'number' ? shape : broadcastShape(shape, value.shape)),
    condition.shape,
  );
  const shape = broadcastShape(condition.shape, broadcastShape(x.shape, y.shape));
  const parts = [condition, x, y];
  const flattened =
    endsInOne(shape) && parts.every((part) => sizeOf(part.shape) === 1 || sizeOf(part.shape) === sizeOf(shape));
  const [c, p, q] = flattened ? parts.map((part) => reshape(part, sizeOf(part.shape) === 1 ? [] : flat(shape))) : parts;
  return expand(reshape(node('Where', [c, p, q], flattened ? flat(shape) : shape, dtype), shape), resultShape);
}

const castCode: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

export function cast(x: Value, dtype: DType): Value {
  x = x.graph.resolve(x);
  if (x.dtype === dtype) return x;
  const { data } = x.node;
  if (data && (dtype === 'float32' || dtype === 'int32'))
    return x.graph.constant(
      Array.from(data as ArrayLike<number>, dtype === 'int32' ? Math.trunc : Number),
      x.shape,
      dtype,
    );
  if (isExpand(x)) return expand(cast(x.node.inputs[0]!, dtype), x.shape);
  return node('Cast', [x], x.shape, dtype, { to: castCode[dtype] });
}
