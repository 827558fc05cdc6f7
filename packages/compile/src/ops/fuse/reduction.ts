import type { Value } from '../../graph';
import { sizeOf, unshaped } from '../../graph';
import { add, mul, sub } from '../elementwise';
import { node } from '../node';
import { reduce } from '../reductions';
import { reshape } from '../shapes';
import { channelFactor, input, isOp } from './pattern';
import { affineOf } from './row-affine';

/**
 * A sum or mean of y · ((x − mean) · slope + offset) within rows, as slope · (Σ y·x − mean · Σ y) + offset · Σ y: a
 * bias's gradient needs Σ y too.
 */
function affineReduce(
  op: string,
  value: Value,
  [outer, reduced, inner]: readonly [number, number, number],
): Value | undefined {
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
 * A sum or mean of a product with a factor for each channel: the factor can wait until everything but the channels has
 * been summed.
 * @param shape [outer, reduced, inner] as it is to be reduced over the middle
 * @returns [outer, 1, inner]
 */
export function factoredReduce(
  op: string,
  x: Value,
  [outer, reduced, inner]: readonly [number, number, number],
): Value | undefined {
  if ((op !== 'ReduceSum' && op !== 'ReduceMean') || x.dtype !== 'float32') return undefined;
  const found = channelFactor(x);
  const channels = found?.factor.shape[0];
  if (
    !found ||
    channels === undefined ||
    (inner !== channels && (inner !== 1 || reduced % channels !== 0 || reduced === channels))
  )
    return affineReduce(op, x, [outer, reduced, inner]);
  // As a sum, since the sum is what other gradients need too.
  const rows = (reduced * inner) / channels;
  const total = reduce('ReduceSum', reshape(found.value, [outer, rows, channels]), [1]);
  const factor = op === 'ReduceMean' ? mul(found.factor, 1 / reduced) : found.factor;
  if (inner === channels) return mul(total, factor);
  const weighted = node(
    'MatMul',
    [reshape(total, [outer, channels]), reshape(factor, [channels, 1])],
    [outer, 1],
    'float32',
  );
  return reshape(weighted, [outer, 1, 1]);
}
