import type { Value } from '../graph';
import {
  add,
  cast,
  concat,
  div,
  dropAxes,
  full,
  mul,
  node,
  parseAxes,
  reduce,
  scalar,
  slice,
  sub,
  sum,
  unary,
  where,
} from '../ops';
import type { KernelCall, Lowering, Lowerings } from './lowering';
import { float, numeric } from './promote';

interface ReductionAttrs {
  axis?: number | number[];
  /** Max's name for its axis. */
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

const reduced =
  (reduceAxes: (x: Value, axes: number[]) => Value): Lowering =>
  ({ inputs: { x }, attrs }) => {
    const { axis, reductionIndices, keepDims } = attrs as ReductionAttrs;
    const axes = parseAxes(reductionIndices ?? axis, x.shape.length);
    const kept = reduceAxes(x, axes);
    return keepDims ? kept : dropAxes(kept, axes);
  };
const reduction = (op: string) => reduced((x, axes) => reduce(op, numeric(x), axes));

/**
 * The largest or smallest, or NaN where any is: ORT passes over those that it comes upon late. A sum of magnitudes is
 * NaN for no other reason.
 */
const extremum = (op: string) =>
  reduced((x, axes) => {
    if (x.dtype !== 'float32') return cast(reduce(op, numeric(x), axes), x.dtype);
    const undefinedAny = unary('IsNaN', sum(unary('Abs', x), axes), {}, '', 'bool');
    return where(undefinedAny, NaN, reduce(op, x, axes));
  });

/** Whether any or all are true, as the largest or smallest of 0 and 1. */
const logical =
  (op: string): Lowering =>
  (call) =>
    cast(reduction(op)({ ...call, inputs: { x: cast(call.inputs.x, 'int32') } }) as Value, 'bool');

const arg =
  (op: string): Lowering =>
  ({ inputs: { x }, attrs }) => {
    const [axis] = parseAxes((attrs as { axis: number }).axis, x.shape.length);
    const index = node(
      op,
      [numeric(x)],
      x.shape.filter((_, i) => i !== axis),
      'int64',
      { axis, keepdims: 0 },
    );
    return cast(index, 'int32');
  };

/** Over the last axis, whose largest value is subtracted first. */
function softmax({ inputs: { logits } }: KernelCall, op: string): Value {
  return node(op, [float(logits)], logits.shape, 'float32', { axis: logits.shape.length - 1 });
}

function cumulate({ inputs, attrs }: KernelCall): Value {
  const x = numeric(inputs.x);
  const { axis, exclusive, reverse } = attrs as { axis: number; exclusive: boolean; reverse: boolean };
  const position = node('Identity', [scalar(x.graph, axis, 'int32')], [], 'int32');
  return node('CumSum', [x, position], x.shape, x.dtype, { exclusive: Number(exclusive), reverse: Number(reverse) });
}

/**
 * Products of the elements up to each one, by doubling: after k rounds every element holds the product of the 2ᵏ before
 * it.
 */
function cumulativeProduct({ inputs, attrs }: KernelCall): Value {
  const x = numeric(inputs.x);
  const { axis, exclusive, reverse } = attrs as { axis: number; exclusive: boolean; reverse: boolean };
  const size = x.shape[axis];
  const shift = (value: Value, by: number) => {
    const part = value.shape.map((extent, i) => (i === axis ? extent - by : extent));
    const kept = slice(
      value,
      part.map((_, i) => (i === axis && reverse ? by : 0)),
      part,
    );
    const ones = full(
      value.graph,
      value.shape.map((extent, i) => (i === axis ? by : extent)),
      1,
      value.dtype,
    );
    return concat(reverse ? [kept, ones] : [ones, kept], axis);
  };
  let product = exclusive ? shift(x, Math.min(1, size)) : x;
  for (let by = 1; by < size; by *= 2) product = mul(product, shift(product, by));
  return product;
}

/** Batch normalisation with given statistics, over the last axis or with full-shaped ones. */
function batchNorm({ inputs, attrs }: KernelCall): Value {
  const { x, mean: average, variance } = inputs;
  const { varianceEpsilon } = attrs as { varianceEpsilon: number };
  const invStd = unary('Reciprocal', unary('Sqrt', add(float(variance), varianceEpsilon)));
  const factor = inputs.scale ? mul(invStd, float(inputs.scale)) : invStd;
  const shifted = mul(sub(float(x), float(average)), factor);
  return inputs.offset ? add(shifted, float(inputs.offset)) : shifted;
}

/** Sums over the channels within the radius, as a product with a band matrix. */
function overNeighbours(x: Value, radius: number): Value {
  const channels = x.shape[3];
  const band = Float32Array.from({ length: channels * channels }, (_, i) =>
    Number(Math.abs(Math.floor(i / channels) - (i % channels)) <= radius),
  );
  return node('MatMul', [x, x.graph.constant(band, [channels, channels], 'float32')], x.shape, 'float32');
}

interface LrnAttrs {
  depthRadius: number;
  bias: number;
  alpha: number;
  beta: number;
}

function localResponse(x: Value, { depthRadius, bias, alpha }: LrnAttrs): Value {
  return add(mul(overNeighbours(mul(x, x), depthRadius), alpha), bias);
}

export const reductions: Lowerings = {
  All: logical('ReduceMin'),
  Any: logical('ReduceMax'),
  ArgMax: arg('ArgMax'),
  ArgMin: arg('ArgMin'),
  Max: extremum('ReduceMax'),
  Mean: reduced((x, axes) => reduce('ReduceMean', float(x), axes)),
  Min: extremum('ReduceMin'),
  Prod: reduction('ReduceProd'),
  Sum: reduction('ReduceSum'),
  Softmax: (call) => softmax(call, 'Softmax'),
  LogSoftmax: (call) => softmax(call, 'LogSoftmax'),
  Cumsum: cumulate,
  Cumprod: cumulativeProduct,
  FusedBatchNorm: batchNorm,
  LRN: ({ inputs, attrs }) => {
    const x = float(inputs.x);
    const norm = localResponse(x, attrs as LrnAttrs);
    return mul(x, unary('Exp', mul(unary('Log', norm), -(attrs as LrnAttrs).beta)));
  },
  LRNGrad: ({ inputs: { x, y, dy }, attrs }) => {
    const { alpha, beta, depthRadius } = attrs as LrnAttrs;
    const norm = localResponse(x, attrs as LrnAttrs);
    const direct = mul(dy, unary('Exp', mul(unary('Log', norm), -beta)));
    const spread = overNeighbours(div(mul(dy, y), norm), depthRadius);
    return sub(direct, mul(mul(x, spread), 2 * alpha * beta));
  },
};
