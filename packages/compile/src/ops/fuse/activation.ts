import type { Value } from '../../graph';
import { sizeOf, uniformValue } from '../../graph';
import { contrib, full, node } from '../node';
import { reshape } from '../shapes';
import { input, isOp } from './pattern';
import { rowAffine } from './row-affine';

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
export function normalCdf(sum: Value, by: Value): Value | undefined {
  const shifted = withScalar(sum, 'Add');
  if (uniformValue(by) !== 0.5 || shifted?.by !== 1 || !isOp(shifted.x, 'Erf')) return undefined;
  return node('HardSigmoid', [shifted.x], sum.shape, 'float32', { alpha: 0.5, beta: 0.5 });
}

/** x·Φ(x) as ORT's Gelu. */
export function gelu(x: Value, cdf: Value): Value | undefined {
  const { target } = x.graph;
  if (!target.inference || !target.contrib || !isOp(cdf, 'HardSigmoid') || !isOp(input(cdf, 0), 'Erf'))
    return undefined;
  const scaled = withScalar(input(input(cdf, 0), 0), 'Mul');
  if (!scaled || scaled.x !== x || !near(scaled.by, Math.SQRT1_2)) return undefined;
  return node('Gelu', [x], x.shape, 'float32', {}, contrib);
}

/** k·exp(s·x) for a positive k as exp(s·x + ln k), where s·x + ln k is one pass. */
export function scaledExp(exponential: Value, by: Value): Value | undefined {
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
