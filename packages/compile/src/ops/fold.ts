import type { DType, Shape, Value } from '../graph';
import { sizeOf } from '../graph';

/* Element-wise operators on constants, computed while the graph is built. */

const unaries: Record<string, (x: number) => number> = {
  Neg: (x) => -x,
  Abs: Math.abs,
  Exp: Math.exp,
  Log: Math.log,
  Sqrt: Math.sqrt,
  Reciprocal: (x) => 1 / x,
  Sin: Math.sin,
  Cos: Math.cos,
  Tanh: Math.tanh,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Not: (x) => Number(!x),
};

const binaries: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: Math.pow,
  Max: Math.max,
  Min: Math.min,
  Equal: (a, b) => Number(a === b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  And: (a, b) => Number(a && b),
  Or: (a, b) => Number(a || b),
};

/** Larger constants are left to the graph's first part, which runs once. */
const limit = 4096;

export function foldUnary(op: string, x: Value, dtype: DType): number[] | undefined {
  const { data } = x.node;
  const compute = unaries[op];
  if (!data || !compute || data.length > limit || (dtype !== 'float32' && dtype !== 'bool')) return undefined;
  return Array.from(data as ArrayLike<number>, (value) => compute(value));
}

export function foldBinary(op: string, a: Value, b: Value, shape: Shape, dtype: DType): number[] | undefined {
  const [x, y] = [a.node.data, b.node.data];
  const compute = binaries[op];
  if (!x || !y || !compute || x.length > limit || y.length > limit || a.dtype !== b.dtype) return undefined;
  if (a.dtype !== 'float32' && !(a.dtype === 'int32' && (dtype === 'bool' || op === 'Add' || op === 'Sub')))
    return undefined;
  if (x.length === 1 && y.length === 1) return [compute(x[0], y[0])];
  const size = sizeOf(shape);
  if (size > limit || [a, b].some((value) => sizeOf(value.shape) !== size && value.node.data!.length > 1))
    return undefined;
  return Array.from({ length: size }, (_, i) => compute(x[x.length === 1 ? 0 : i], y[y.length === 1 ? 0 : i]));
}
