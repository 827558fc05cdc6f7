import type { Value } from '../../graph';
import { sizeOf, uniformValue, unshaped } from '../../graph';
import { add, mul } from '../elementwise';
import { full, node } from '../node';
import { reshape } from '../shapes';
import { input, isOp } from './pattern';

/**
 * (x [rows, width] − mean) · slope + offset, each [rows, 1], in one pass: what inference of a batch normalisation does
 * with channels.
 */
export function rowAffine(x: Value, slope: Value, offset: Value, mean?: Value): Value {
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

/**
 * A value as an affine function of another, row by row: (x − mean) · slope + offset, each [rows, 1]; no mean or offset
 * where it is 0.
 */
export function affineOf(value: Value): { x: Value; slope: Value; offset?: Value; mean?: Value } | undefined {
  const source = unshaped(value);
  if (!isOp(source, 'BatchNormalization')) return undefined;
  const column = (index: number) => reshape(input(source, index), [source.shape[1], 1]);
  const [slope, offset, mean] = [1, 2, 3].map(column);
  const unlessZero = (row: Value) => (uniformValue(row) === 0 ? undefined : row);
  return { x: input(source, 0), slope, offset: unlessZero(offset), mean: unlessZero(mean) };
}
