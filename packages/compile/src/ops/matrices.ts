import type { Value } from '../graph';
import { isWeight, sameShape, sizeOf, unshaped } from '../graph';
import { broadcastShape } from './broadcast';
import { add } from './elementwise';
import { contrib, full, node } from './node';
import { concat, reshape, slice, transpose } from './shapes';

const swapped = (rank: number): number[] =>
  Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));

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
  const inParts = joinedProduct(a, b, transposeA, transposeB);
  if (inParts) return inParts;
  // ORT turns all of a before it multiplies: with few columns, that takes longer than to turn the result.
  if (transposeA && !transposeB && columns <= 32 && 2 * columns < rows)
    return transpose(matMul(b, a, true, false), swapped(shape.length));
  if (!transposeA && !transposeB) return node('MatMul', [a, b], shape, a.dtype);
  if (a.shape.length === 2 && b.shape.length === 2 && a.dtype === 'float32') {
    return node('Gemm', [a, b], shape, a.dtype, { transA: Number(transposeA), transB: Number(transposeB) });
  }
  if (graph.target.contrib && a.dtype === 'float32' && sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2))) {
    return node(
      'FusedMatMul',
      [a, b],
      shape,
      a.dtype,
      { transA: Number(transposeA), transB: Number(transposeB) },
      contrib,
    );
  }
  const straight = (x: Value, flip: boolean) => (flip ? transpose(x, swapped(x.shape.length)) : x);
  return node('MatMul', [straight(a, transposeA), straight(b, transposeB)], shape, a.dtype);
}

/** The parts that a value was put together from along its last axis, as matrices. */
function joinedColumns(value: Value): Value[] | undefined {
  const joined = unshaped(value);
  const { op, inputs, attributes } = joined.node;
  if (
    op !== 'Concat' ||
    attributes.axis !== joined.shape.length - 1 ||
    joined.shape.at(-1) !== value.shape[1] ||
    value.shape.length !== 2
  )
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
