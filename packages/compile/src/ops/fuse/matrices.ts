import type { Value } from '../../graph';
import { isWeight, sameShape, sizeOf, unshaped } from '../../graph';
import { matMul } from '../matrices';
import { contrib, node } from '../node';
import { reshape, slice, transpose } from '../shapes';

/* What is done to the result of a matrix product, as a product with other weights. */

/** The columns of a matrix product, each part as the product with its own columns of the weights. */
export function splitProduct(x: Value, sizes: readonly number[], axis: number): Value[] | undefined {
  const product = unshaped(x);
  const { op, inputs } = product.node;
  if (
    axis !== x.shape.length - 1 ||
    op !== 'MatMul' ||
    product.shape.length !== 2 ||
    product.shape[1] !== x.shape[axis]
  )
    return undefined;
  const [a, w] = [inputs[0]!, inputs[1]!];
  if (!isWeight(w)) return undefined;
  let from = 0;
  return sizes.map((size) => {
    const columns = slice(w, [0, from], [w.shape[0], size]);
    from += size;
    return reshape(matMul(a, columns), [...x.shape.slice(0, -1), size]);
  });
}

/**
 * The columns of a matrix product [n·rows, inner] w taken apart as heads: x [n, rows, heads, d] transposed to [n,
 * heads, rows, d] or [n, heads, d, rows] is a product with each head's own columns, which need not be moved.
 */
export function headProduct(x: Value, perm: readonly number[]): Value | undefined {
  const straight = sameShape(perm, [0, 2, 1, 3]);
  const product = unshaped(x);
  if ((!straight && !sameShape(perm, [0, 2, 3, 1])) || product.node.op !== 'MatMul' || !x.graph.target.contrib)
    return undefined;
  const [n, rows, heads, d] = x.shape;
  const [a, w] = [product.node.inputs[0]!, x.graph.resolve(product.node.inputs[1]!)];
  const columns = heads * d;
  if (product.shape.length !== 2 || product.shape[1] !== columns || !isWeight(w)) return undefined;
  const inner = w.shape[0];
  if (straight) {
    const right = reshape(transpose(reshape(w, [inner, heads, d]), [1, 0, 2]), [1, heads, inner, d]);
    return node('MatMul', [reshape(a, [n, 1, rows, inner]), right], [n, heads, rows, d], x.dtype);
  }
  // Transposed, the heads lie one after the other as they do in the weights.
  const factors = [reshape(w, [1, inner, columns]), reshape(a, [n, rows, inner])];
  return reshape(node('FusedMatMul', factors, [n, columns, rows], x.dtype, { transA: 1, transB: 1 }, contrib), [
    n,
    heads,
    d,
    rows,
  ]);
}

/** The sum of a product and one number for each of its columns, which the product can add itself. */
export function biasedProduct(value: Value, b: Value): Value | undefined {
  const channels = value.shape.at(-1);
  if (b.shape.at(-1) !== channels || sizeOf(b.shape) !== channels) return undefined;
  const bias = reshape(b, [channels]);
  const product = value.node.op === 'Reshape' ? value.node.inputs[0]! : value;
  if (
    product.node.op !== 'MatMul' ||
    product.shape.length !== 2 ||
    product.dtype !== 'float32' ||
    product.shape[1] !== channels
  )
    return undefined;
  return reshape(node('Gemm', [...product.node.inputs, bias], product.shape, 'float32'), value.shape);
}
