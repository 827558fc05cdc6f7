import type { Value } from '../graph';
import {
  add,
  binary,
  broadcastShape,
  cast,
  compare,
  div,
  expand,
  full,
  mul,
  node,
  reshape,
  scalar,
  sub,
  unary,
  where,
} from '../ops';
import type { KernelCall, Lowering, Lowerings } from './lowering';
import { float, numeric, promoted } from './promote';

const seluScaleAlpha = 1.7580993408473768;
const seluScale = 1.0507009873554805;

const map =
  (op: string): Lowering =>
  ({ inputs: { x } }) =>
    unary(op, numeric(x));

/** ONNX defines this operator for floats alone. */
const floatMap =
  (op: string): Lowering =>
  ({ inputs: { x } }) =>
    unary(op, float(x));

const zip =
  (op: string): Lowering =>
  ({ inputs: { a, b } }) =>
    binary(op, ...promoted([a, b], 'int32'));

/** Rounding leaves integers as they are. */
const rounding =
  (op: string): Lowering =>
  ({ inputs: { x } }) =>
    x.dtype === 'float32' ? unary(op, x) : x;

const comparison =
  (op: string): Lowering =>
  ({ inputs: { a, b } }) =>
    compare(op, ...promoted([a, b], op === 'Equal' ? 'bool' : 'int32'));

/** Whether a float is of a kind that integers and booleans never are. */
const kind =
  (op: string): Lowering =>
  ({ inputs: { x } }) =>
    unary(op, float(x), {}, '', 'bool');

const logical =
  (op: string): Lowering =>
  ({ inputs: { a, b } }) =>
    binary(op, cast(a, 'bool'), cast(b, 'bool'));

const not = (x: Value) => unary('Not', cast(x, 'bool'));

/** Quotient rounded down, exact for integers of up to 24 bits, as tfjs's own. */
function floorDiv(a: Value, b: Value): Value {
  const quotient = unary('Floor', div(cast(a, 'float32'), cast(b, 'float32')));
  return cast(quotient, 'int32');
}

/** The sign of the result is that of the divisor. */
function mod(dividend: Value, divisor: Value): Value {
  const [a, b] = promoted([dividend, divisor], 'int32');
  const remainder = node(
    'Mod',
    [a, b],
    broadcastShape(a.shape, b.shape),
    a.dtype,
    a.dtype === 'float32' ? { fmod: 1 } : {},
  );
  if (a.dtype !== 'float32') return remainder; // ONNX's integer Mod already takes the divisor's sign.
  const differs = compare('Less', mul(remainder, b), scalar(a.graph, 0));
  return where(differs, add(remainder, b), remainder);
}

export const relu = (x: Value): Value => unary('Relu', x);
export const clip = (x: Value, low: number, high: number): Value => {
  const dtype = x.dtype;
  return node('Clip', [x, scalar(x.graph, low, dtype), scalar(x.graph, high, dtype)], x.shape, dtype);
};
const elu = (x: Value) => where(compare('GreaterOrEqual', x, 0), x, expm1(x));
const leakyRelu = (x: Value, alpha: number) => unary('LeakyRelu', x, { alpha });
/** @param x, alpha of type float32, as the result always is */
const prelu = (x: Value, alpha: Value) => where(compare('Less', x, 0), mul(x, alpha), x);

/** eˣ − 1 without cancellation near 0: tanh(x/2)·(eˣ + 1). */
function expm1(x: Value): Value {
  return mul(unary('Tanh', mul(x, 0.5)), add(unary('Exp', x), 1));
}

/** log(1 + x) without cancellation near 0: log(u)·x/(u − 1) with u = 1 + x (Goldberg 1991, theorem 4). */
function log1p(x: Value): Value {
  const u = add(x, 1);
  const excess = sub(u, 1);
  const exact = compare('Equal', excess, 0);
  const corrected = div(mul(unary('Log', u), x), where(exact, scalar(x.graph, 1), excess));
  return where(exact, x, where(compare('Greater', u, 1e30), unary('Log', u), corrected));
}

/** The angle of (x, y) in (−π, π]. */
function atan2(y: Value, x: Value): Value {
  const zero = compare('Equal', x, 0);
  const angle = unary('Atan', div(y, where(zero, scalar(x.graph, 1), x)));
  const turned = add(angle, where(compare('Less', y, 0), scalar(x.graph, -Math.PI), scalar(x.graph, Math.PI)));
  const vertical = mul(unary('Sign', y), Math.PI / 2);
  return where(zero, vertical, where(compare('Less', x, 0), turned, angle));
}

export function activate(x: Value, activation: string | undefined, { inputs, attrs }: KernelCall): Value {
  switch (activation ?? 'linear') {
    case 'linear':
      return x;
    case 'relu':
      return relu(x);
    case 'relu6':
      return clip(x, 0, 6);
    case 'elu':
      return elu(x);
    case 'sigmoid':
      return unary('Sigmoid', x);
    case 'leakyrelu':
      return leakyRelu(x, (attrs as { leakyreluAlpha: number }).leakyreluAlpha);
    case 'prelu':
      return prelu(x, float(inputs.preluActivationWeights));
    default:
      throw new Error(
        `compile: no lowering for the fused activation ${activation}; apply it as an operation of its own`,
      );
  }
}

export const elementwise: Lowerings = {
  Abs: map('Abs'),
  Acos: floatMap('Acos'),
  Acosh: floatMap('Acosh'),
  Asin: floatMap('Asin'),
  Asinh: floatMap('Asinh'),
  Atan: floatMap('Atan'),
  Atanh: floatMap('Atanh'),
  Ceil: rounding('Ceil'),
  Cos: floatMap('Cos'),
  Cosh: floatMap('Cosh'),
  Elu: ({ inputs: { x } }) => elu(float(x)),
  Erf: floatMap('Erf'),
  Exp: floatMap('Exp'),
  Expm1: ({ inputs: { x } }) => expm1(float(x)),
  Floor: rounding('Floor'),
  Identity: ({ inputs: { x } }) => x,
  IsFinite: ({ inputs: { x } }) =>
    not(binary('Or', unary('IsNaN', float(x), {}, '', 'bool'), unary('IsInf', float(x), {}, '', 'bool'))),
  IsInf: kind('IsInf'),
  IsNan: kind('IsNaN'),
  LeakyRelu: ({ inputs: { x }, attrs }) => leakyRelu(float(x), (attrs as { alpha: number }).alpha),
  Log: floatMap('Log'),
  Log1p: ({ inputs: { x } }) => log1p(float(x)),
  LogicalNot: ({ inputs: { x } }) => not(x),
  Neg: map('Neg'),
  Prelu: ({ inputs: { x, alpha } }) => prelu(float(x), float(alpha)),
  Reciprocal: floatMap('Reciprocal'),
  Relu: map('Relu'),
  Relu6: ({ inputs: { x } }) => clip(numeric(x), 0, 6),
  Round: rounding('Round'),
  Rsqrt: ({ inputs: { x } }) => unary('Reciprocal', unary('Sqrt', float(x))),
  Selu: ({ inputs }) => {
    const x = float(inputs.x);
    return where(compare('GreaterOrEqual', x, 0), mul(x, seluScale), mul(expm1(x), seluScaleAlpha));
  },
  Sigmoid: floatMap('Sigmoid'),
  Sign: map('Sign'),
  Sin: floatMap('Sin'),
  Sinh: floatMap('Sinh'),
  Softplus: ({ inputs: { x } }) => unary('Softplus', float(x)),
  Sqrt: floatMap('Sqrt'),
  Square: ({ inputs: { x } }) => mul(numeric(x), numeric(x)),
  Step: ({ inputs, attrs }) => {
    const x = numeric(inputs.x);
    return where(
      compare('Greater', x, 0),
      scalar(x.graph, 1, x.dtype),
      scalar(x.graph, (attrs as { alpha: number }).alpha, x.dtype),
    );
  },
  Tan: floatMap('Tan'),
  Tanh: floatMap('Tanh'),
  ClipByValue: ({ inputs: { x }, attrs }) =>
    clip(
      numeric(x),
      (attrs as { clipValueMin: number }).clipValueMin,
      (attrs as { clipValueMax: number }).clipValueMax,
    ),
  Cast: ({ inputs: { x }, attrs }) => {
    const { dtype } = attrs as { dtype: string };
    if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool')
      throw new TypeError(`compile: cannot cast to ${dtype}, only to float32, int32 and bool`);
    return cast(x, dtype);
  },

  Add: zip('Add'),
  AddN: ({ all }) => promoted(all, 'int32').reduce((sum, value) => add(sum, value)),
  Atan2: ({ inputs: { a, b } }) => atan2(float(a), float(b)),
  FloorDiv: ({ inputs: { a, b } }) => floorDiv(a, b),
  Maximum: zip('Max'),
  Minimum: zip('Min'),
  Mod: ({ inputs: { a, b } }) => mod(a, b),
  Multiply: zip('Mul'),
  Pow: zip('Pow'),
  RealDiv: ({ inputs: { a, b } }) => div(float(a), float(b)),
  SquaredDifference: ({ inputs: { a, b } }) => {
    const difference = sub(...promoted([a, b], 'int32'));
    return mul(difference, difference);
  },
  Sub: zip('Sub'),

  Equal: comparison('Equal'),
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  NotEqual: (call) => not(comparison('Equal')(call) as Value),
  LogicalAnd: logical('And'),
  LogicalOr: logical('Or'),
  LogicalXor: logical('Xor'),

  Select: ({ inputs: { condition, t, e } }) => {
    // A condition of rank 1 chooses among the first axis's slices.
    const rows = condition.shape.length === 1 && t.shape.length > 1;
    const chosen = rows ? reshape(condition, [condition.shape[0], ...t.shape.slice(1).map(() => 1)]) : condition;
    const [a, b] = promoted([t, e]);
    const result = where(cast(chosen, 'bool'), ...promoted([a, b], 'int32')); // ORT chooses among no booleans.
    return cast(result, a.dtype);
  },
  EluGrad: ({ inputs: { dy, y } }) => mul(dy, where(compare('GreaterOrEqual', y, 0), scalar(y.graph, 1), add(y, 1))),

  OnesLike: ({ graph, inputs: { x } }) => full(graph, x.shape, 1, x.dtype),
  ZerosLike: ({ graph, inputs: { x } }) => full(graph, x.shape, 0, x.dtype),
  Fill: ({ graph, attrs }) => {
    const { shape, value, dtype } = attrs as { shape: number[]; value: number; dtype?: 'float32' | 'int32' | 'bool' };
    return full(graph, shape, value, dtype ?? 'float32');
  },
  BroadcastTo: ({ inputs: { x }, attrs }) => expand(x, (attrs as { shape: number[] }).shape),
};
