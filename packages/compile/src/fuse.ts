import type { Shape, Value } from './graph';
import { sizeOf, uniformValue } from './graph';
import { add, full, int64s, mul, node, reduce, reshape, sub } from './ops';

/* Patterns of several passes over a large tensor that can be computed in fewer. Each is recognised where its last operator is built. */

/** The value that this one is a rearrangement-free view of. */
export function unshaped(value: Value): Value {
  let current = value.graph.resolve(value);
  while (current.node.op === 'Reshape') current = current.graph.resolve(current.node.inputs[0]!);
  return current;
}

const input = (value: Value, index: number): Value => value.graph.resolve(value.node.inputs[index]!);
const isOp = (value: Value, op: string) => value.node.op === op;

/** Whether a value is the mean of all of `of`'s elements within each of its first few rows; gives the number of rows. */
function rowMean(value: Value, of: Value): number | undefined {
  const mean = unshaped(value);
  if (!isOp(mean, 'ReduceMean') || unshaped(input(mean, 0)) !== unshaped(of)) return undefined;
  const { shape } = input(mean, 0);
  const rows = shape.length === 1 ? 1 : shape[0];
  return shape.length <= 2 && sizeOf(mean.shape) === rows ? rows : undefined;
}

/** Values per row, laid out so that they broadcast over a tensor of that many rows. */
function perRow(value: Value, rows: number, shape: Shape): Value | undefined {
  return shape[0] === rows || rows === 1
    ? reshape(
        value,
        shape.map((_, i) => (i === 0 ? rows : 1)),
      )
    : undefined;
}

/** (x − mean) · 1/√(variance + ε) over whole rows is a layer normalisation. */
function normalise(centred: Value, scale: Value): Value | undefined {
  const factor = unshaped(scale);
  if (!isOp(centred, 'Sub') || !isOp(factor, 'Reciprocal') || !isOp(unshaped(input(factor, 0)), 'Sqrt')) return undefined;
  const shifted = unshaped(input(unshaped(input(factor, 0)), 0));
  if (!isOp(shifted, 'Add')) return undefined;
  const epsilon = [0, 1].map((i) => uniformValue(input(shifted, i))).find((value) => value !== undefined);
  const variance = [0, 1].map((i) => input(shifted, i)).find((value) => uniformValue(value) === undefined);
  if (epsilon === undefined || !variance) return undefined;
  const x = input(centred, 0);
  const rows = rowMean(input(centred, 1), x);
  const squares = isOp(unshaped(variance), 'ReduceMean') ? unshaped(input(unshaped(variance), 0)) : undefined;
  if (!rows || !squares || !isOp(squares, 'Mul') || rowMean(variance, squares) !== rows) return undefined;
  if (unshaped(input(squares, 0)) !== unshaped(centred) || unshaped(input(squares, 1)) !== unshaped(centred)) return undefined;

  const { graph } = x;
  const width = sizeOf(x.shape) / rows;
  const each = { shape: [rows, 1], dtype: 'float32' as const };
  const [y, , invStd] = graph.node(
    'LayerNormalization',
    [reshape(x, [rows, width]), full(graph, [width], 1)],
    [{ shape: [rows, width], dtype: 'float32' }, each, each],
    { axis: 1, epsilon },
  );
  graph.replace(factor, reshape(invStd, factor.shape));
  return reshape(y, x.shape);
}

/** The 1/√(variance + ε) of the normalisation that a value is the result of. */
function invStdOf(value: Value): Value | undefined {
  const source = unshaped(value);
  const factor = affineOf(source)?.slope ?? source;
  const { node: normalisation, index } = unshaped(factor);
  if (normalisation.op !== 'LayerNormalization' || index !== (factor === source ? 0 : 2)) return undefined;
  return normalisation.outputs[2];
}

/**
 * (dy − E[dy] − x̂ E[dy·x̂]) · invStd, the gradient of a normalisation. As dy·invStd − (x̂·(E[dy·x̂]·invStd) + E[dy]·invStd), whose
 * bracket is a single pass, and where dy is a product with a weight of each channel, so is the first term.
 */
function normaliseGradient(difference: Value, scale: Value): Value | undefined {
  const invStd = unshaped(scale);
  if (!isOp(invStd, 'LayerNormalization') || invStd.index !== 2 || !isOp(difference, 'Sub')) return undefined;
  const [first, projection] = [input(difference, 0), input(difference, 1)];
  if (!isOp(first, 'Sub') || !isOp(projection, 'Mul')) return undefined;
  const dy = input(first, 0);
  const rows = invStd.shape[0];
  const side = [0, 1].find((i) => invStdOf(input(projection, i)) === invStd);
  if (side === undefined) return undefined;
  const [xHat, share] = [input(projection, side), input(projection, 1 - side)];
  const average = input(first, 1);
  if (sizeOf(share.shape) !== rows || sizeOf(average.shape) !== rows) return undefined;

  const [slope, offset] = [share, average].map((value) => mul(reshape(value, [rows, 1]), invStd));
  const width = sizeOf(dy.shape) / rows;
  const bracket = rowAffine(reshape(xHat, [rows, width]), slope, offset);
  const { value: plain, factor } = channelProduct(dy) ?? { value: dy, factor: undefined };
  const spread = perRow(invStd, rows, plain.shape);
  if (!spread) return undefined;
  const scaled = mul(plain, factor ? mul(factor, spread) : spread);
  return sub(reshape(scaled, difference.shape), reshape(bracket, difference.shape));
}

/** (x [rows, width] − mean) · slope + offset, each [rows, 1], in one pass: what inference of a batch normalisation does with channels. */
function rowAffine(x: Value, slope: Value, offset: Value, mean?: Value): Value {
  const [rows, width] = x.shape;
  const { graph } = x;
  const inner = mean ? undefined : affineOf(x);
  if (inner && sizeOf(inner.slope.shape) === rows) {
    // Of a row that has been scaled and shifted already, both at once.
    const moved = inner.offset ? add(mul(inner.offset, slope), offset) : offset;
    return rowAffine(reshape(inner.x, x.shape), mul(inner.slope, slope), moved, inner.mean);
  }
  const zeros = full(graph, [rows], 0);
  const [scale, shift, centre] = [slope, offset, mean].map((value) => (value ? reshape(value, [rows]) : zeros));
  const inputs = [reshape(x, [1, rows, width]), scale, shift, centre, full(graph, [rows], 1)];
  return reshape(node('BatchNormalization', inputs, [1, rows, width], 'float32', { epsilon: 0 }), x.shape);
}

/** What a value is the affine function of, row by row: (x − mean) · slope + offset, each [rows, 1]; no mean or offset where it is 0. */
function affineOf(value: Value): { x: Value; slope: Value; offset?: Value; mean?: Value } | undefined {
  const source = unshaped(value);
  if (!isOp(source, 'BatchNormalization')) return undefined;
  const column = (index: number) => reshape(input(source, index), [source.shape[1], 1]);
  const [slope, offset, mean] = [1, 2, 3].map(column);
  const unlessZero = (row: Value) => (uniformValue(row) === 0 ? undefined : row);
  return { x: input(source, 0), slope, offset: unlessZero(offset), mean: unlessZero(mean) };
}

/** A product with a factor for each channel, the last axis; reshaping around it does not matter. */
function channelProduct(value: Value): { value: Value; factor: Value } | undefined {
  const product = unshaped(value);
  if (!isOp(product, 'Mul')) return undefined;
  const channels = product.shape.at(-1);
  for (const side of [0, 1]) {
    let factor = input(product, side);
    if (isOp(factor, 'Expand')) factor = input(factor, 0);
    const other = input(product, 1 - side);
    if (
      channels !== 1 &&
      factor.shape.at(-1) === channels &&
      sizeOf(factor.shape) === channels &&
      sizeOf(other.shape) === sizeOf(product.shape)
    ) {
      return { value: other, factor: reshape(factor, [channels]) };
    }
  }
  return undefined;
}

/** The same where the product is one factor of a larger product. */
function channelFactor(value: Value): { value: Value; factor: Value } | undefined {
  const direct = channelProduct(value);
  if (direct) return direct;
  const product = unshaped(value);
  if (!isOp(product, 'Mul')) return undefined;
  for (const side of [0, 1]) {
    const part = channelProduct(input(product, side));
    const other = input(product, 1 - side);
    if (part && sizeOf(other.shape) === sizeOf(part.value.shape))
      return { value: mul(part.value, reshape(other, part.value.shape)), factor: part.factor };
  }
  return undefined;
}

/**
 * A sum or mean of y · ((x − mean) · slope + offset) within rows, as slope · (Σ y·x − mean · Σ y) + offset · Σ y: a bias's gradient needs
 * Σ y too.
 */
function affineReduce(op: string, value: Value, [outer, reduced, inner]: readonly [number, number, number]): Value | undefined {
  const product = unshaped(value);
  if (!isOp(product, 'Mul')) return undefined;
  for (const side of [0, 1]) {
    const affine = affineOf(input(product, side));
    const y = input(product, 1 - side);
    if (affine?.slope.shape[0] !== outer || sizeOf(y.shape) !== sizeOf(product.shape)) continue;
    const within = (whole: Value) => reshape(reduce(op, reshape(whole, [outer, reduced, inner]), [1]), [outer, inner]);
    const { x, slope, offset, mean } = affine;
    const products = within(mul(reshape(x, y.shape), y));
    const scaled = mul(mean ? sub(products, mul(within(y), mean)) : products, slope);
    return reshape(offset ? add(scaled, mul(within(y), offset)) : scaled, [outer, 1, inner]);
  }
  return undefined;
}

/**
 * A sum or mean of a product with a factor for each channel: the factor can wait until everything but the channels has been summed.
 * @param shape [outer, reduced, inner] as it is to be reduced over the middle
 * @returns [outer, 1, inner]
 */
export function factoredReduce(op: string, x: Value, [outer, reduced, inner]: readonly [number, number, number]): Value | undefined {
  if ((op !== 'ReduceSum' && op !== 'ReduceMean') || x.dtype !== 'float32') return undefined;
  const found = channelFactor(x);
  const channels = found?.factor.shape[0];
  if (!found || channels === undefined || (inner !== channels && (inner !== 1 || reduced % channels !== 0 || reduced === channels)))
    return affineReduce(op, x, [outer, reduced, inner]);
  // As a sum, since the sum is what other gradients need too.
  const rows = (reduced * inner) / channels;
  const total = reduce('ReduceSum', reshape(found.value, [outer, rows, channels]), [1]);
  const factor = op === 'ReduceMean' ? mul(found.factor, 1 / reduced) : found.factor;
  if (inner === channels) return mul(total, factor);
  const weighted = node('MatMul', [reshape(total, [outer, channels]), reshape(factor, [channels, 1])], [outer, 1], 'float32');
  return reshape(weighted, [outer, 1, 1]);
}

/** A scalar that one of a node's two inputs is, and the other input. */
function withScalar(value: Value, op: string): { x: Value; by: number } | undefined {
  if (!isOp(value, op)) return undefined;
  for (const side of [0, 1]) {
    const by = uniformValue(input(value, side));
    if (by !== undefined) return { x: input(value, 1 - side), by };
  }
  return undefined;
}

const near = (a: number, b: number) => Math.abs(a - b) < 1e-6 * Math.abs(b);

/** (erf(u) + 1)/2 in one pass: a hard sigmoid, whose limits erf never passes. */
function normalCdf(sum: Value, by: Value): Value | undefined {
  const shifted = withScalar(sum, 'Add');
  if (uniformValue(by) !== 0.5 || shifted?.by !== 1 || !isOp(shifted.x, 'Erf')) return undefined;
  return node('HardSigmoid', [shifted.x], sum.shape, 'float32', { alpha: 0.5, beta: 0.5 });
}

/** x·Φ(x) as ORT's Gelu. */
function gelu(x: Value, cdf: Value): Value | undefined {
  const { inference, contrib } = x.graph.target;
  if (!inference || !contrib || !isOp(cdf, 'HardSigmoid') || !isOp(input(cdf, 0), 'Erf')) return undefined;
  const scaled = withScalar(input(input(cdf, 0), 0), 'Mul');
  if (!scaled || scaled.x !== x || !near(scaled.by, Math.SQRT1_2)) return undefined;
  return node('Gelu', [x], x.shape, 'float32', {}, 'com.microsoft');
}

/** k·exp(s·x) for a positive k as exp(s·x + ln k), where s·x + ln k is one pass. */
function scaledExp(exponential: Value, by: Value): Value | undefined {
  const k = uniformValue(by);
  const exponent = isOp(exponential, 'Exp') ? withScalar(input(exponential, 0), 'Mul') : undefined;
  if (!exponent || k === undefined || !(k > 0) || !worthwhile(exponent.x)) return undefined;
  const { graph } = by;
  const flat = reshape(exponent.x, [1, sizeOf(exponent.x.shape)]);
  const affine = rowAffine(flat, full(graph, [1, 1], exponent.by), full(graph, [1, 1], Math.log(k)));
  return reshape(node('Exp', [affine], affine.shape, 'float32'), exponential.shape);
}

/** Not worth it for a few numbers. */
const worthwhile = (x: Value) => sizeOf(x.shape) >= 1024;

/**
 * A normalisation's scale and shift for each channel, done by the normalisation itself. Its gradient, which needs the value before them, has
 * it as (x − mean) / std, an affine function of x.
 */
export function fuseSum(a: Value, b: Value): Value | undefined {
  const channels = a.shape.at(-1)!;
  const scaled = channelProduct(a);
  const y = scaled && unshaped(scaled.value);
  if (!scaled || !y || !isOp(y, 'LayerNormalization') || y.index !== 0 || b.shape.at(-1) !== channels || sizeOf(b.shape) !== channels)
    return undefined;
  const { graph } = a;
  const [rows, width] = y.shape;
  if (width % channels !== 0 || y.node.inputs.length > 2) return undefined;
  const wide = (value: Value) =>
    reshape(
      node('Expand', [reshape(value, [1, channels]), int64s(graph, [width / channels, channels])], [width / channels, channels], 'float32'),
      [width],
    );
  const x = input(y, 0);
  const results = y.node.outputs.map(({ shape, dtype }) => ({ shape, dtype }));
  const [result, mean, invStd] = graph.node('LayerNormalization', [x, wide(scaled.factor), wide(b)], results, y.node.attributes);
  y.node.outputs.slice(1).forEach((before, i) => graph.replace(before, [mean, invStd][i]));
  graph.replace(y, rowAffine(x, invStd, full(graph, [rows, 1], 0), mean));
  return reshape(result, a.shape);
}

/** What a product of two values is instead, where it is the end of a known pattern. */
export function fuseProduct(a: Value, b: Value): Value | undefined {
  return oneWay(a, b) ?? oneWay(b, a);
}

function oneWay(a: Value, b: Value): Value | undefined {
  return normalise(a, b) ?? normaliseGradient(a, b) ?? normalCdf(a, b) ?? gelu(a, b) ?? scaledExp(a, b);
}
