import type { Value } from '../../graph';
import { sizeOf, unshaped } from '../../graph';
import { mul } from '../elementwise';
import { reshape } from '../shapes';

/* The vocabulary of patterns. */

/** An input of the node that computes a value. */
export const input = (value: Value, index: number): Value => value.graph.resolve(value.node.inputs[index]!);
export const isOp = (value: Value, op: string) => value.node.op === op;

/** A product with a factor for each channel, the last axis; reshaping around it does not matter. */
export function channelProduct(value: Value): { value: Value; factor: Value } | undefined {
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
export function channelFactor(value: Value): { value: Value; factor: Value } | undefined {
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
