import type { Shape, Value } from '../../graph';
import { sizeOf, uniformValue, unshaped } from '../../graph';
import { mul, sub } from '../elementwise';
import { full, int64s, node } from '../node';
import { reshape } from '../shapes';
import { channelProduct, input, isOp } from './pattern';
import { affineOf, rowAffine } from './row-affine';

/**
 * Whether a value is the mean of all of `of`'s elements within each of its first few rows; gives the number of rows.
 */
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
export function normalise(centred: Value, scale: Value): Value | undefined {
  const factor = unshaped(scale);
  if (!isOp(centred, 'Sub') || !isOp(factor, 'Reciprocal') || !isOp(unshaped(input(factor, 0)), 'Sqrt'))
    return undefined;
  const shifted = unshaped(input(unshaped(input(factor, 0)), 0));
  if (!isOp(shifted, 'Add')) return undefined;
  const epsilon = [0, 1].map((i) => uniformValue(input(shifted, i))).find((value) => value !== undefined);
  const variance = [0, 1].map((i) => input(shifted, i)).find((value) => uniformValue(value) === undefined);
  if (epsilon === undefined || !variance) return undefined;
  const x = input(centred, 0);
  const rows = rowMean(input(centred, 1), x);
  const squares = isOp(unshaped(variance), 'ReduceMean') ? unshaped(input(unshaped(variance), 0)) : undefined;
  if (!rows || !squares || !isOp(squares, 'Mul') || rowMean(variance, squares) !== rows) return undefined;
  if (unshaped(input(squares, 0)) !== unshaped(centred) || unshaped(input(squares, 1)) !== unshaped(centred))
    return undefined;

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
 * (dy − E[dy] − x̂ E[dy·x̂]) · invStd, the gradient of a normalisation. As dy·invStd − (x̂·(E[dy·x̂]·invStd) +
 * E[dy]·invStd), whose bracket is a single pass, and where dy is a product with a weight of each channel, so is the
 * first term.
 */
export function normaliseGradient(difference: Value, scale: Value): Value | undefined {
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

/**
 * A normalisation's scale and shift for each channel, done by the normalisation itself. Its gradient, which needs the
 * value before them, has it as (x − mean) / std, an affine function of x.
 */
export function affineNormalisation(a: Value, b: Value): Value | undefined {
  const channels = a.shape.at(-1)!;
  const scaled = channelProduct(a);
  const y = scaled && unshaped(scaled.value);
  if (
    !scaled ||
    !y ||
    !isOp(y, 'LayerNormalization') ||
    y.index !== 0 ||
    b.shape.at(-1) !== channels ||
    sizeOf(b.shape) !== channels
  )
    return undefined;
  const { graph } = a;
  const [rows, width] = y.shape;
  if (width % channels !== 0 || y.node.inputs.length > 2) return undefined;
  const wide = (value: Value) =>
    reshape(
      node(
        'Expand',
        [reshape(value, [1, channels]), int64s(graph, [width / channels, channels])],
        [width / channels, channels],
        'float32',
      ),
      [width],
    );
  const x = input(y, 0);
  const results = y.node.outputs.map(({ shape, dtype }) => ({ shape, dtype }));
  const [result, mean, invStd] = graph.node(
    'LayerNormalization',
    [x, wide(scaled.factor), wide(b)],
    results,
    y.node.attributes,
  );
  y.node.outputs.slice(1).forEach((before, i) => graph.replace(before, [mean, invStd][i]));
  graph.replace(y, rowAffine(x, invStd, full(graph, [rows, 1], 0), mean));
  return reshape(result, a.shape);
}
