import type { Shape, Value } from '../graph';
import { sameShape, sizeOf } from '../graph';
import { expand, reshape } from './shapes';

/* How operands of different shapes meet, and how they are laid out so that ORT's loops over them are long. */

/** @throws RangeError if the shapes do not broadcast together */
export function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (x !== y && x !== 1 && y !== 1)
      throw new RangeError(`shapes [${a.join(', ')}] and [${b.join(', ')}] do not broadcast together`);
    return x === 1 ? y : x;
  });
}

/** The elements that one inner loop of ORT's broadcasting should at least have. */
export const minSpan = 256;

/**
 * ORT broadcasts in loops over the inner axes on which the smaller operand is either full or has one element.
 * @returns the outermost of those axes, and whether it has one element there; the operand's shape filled up with ones
 */
function innerLoop(value: Value, shape: Shape): { axis: number; repeats: boolean; wide: number[] } {
  const wide = [...Array<number>(shape.length - value.shape.length).fill(1), ...value.shape];
  let axis = shape.length;
  while (axis > 0 && shape[axis - 1] === 1) axis--;
  const repeats = axis > 0 && wide[axis - 1] !== shape[axis - 1];
  while (axis > 0 && (shape[axis - 1] === 1 || (wide[axis - 1] !== shape[axis - 1]) === repeats)) axis--;
  return { axis, repeats, wide };
}

/** Where those loops would be short, the operand is repeated along the next axes. */
export function widen(value: Value, shape: Shape): Value {
  const size = sizeOf(value.shape);
  if (size === 1 || size === sizeOf(shape) || !value.graph.target.contrib) return value;
  const { axis, repeats, wide } = innerLoop(value, shape);
  if (sizeOf(shape.slice(axis)) >= minSpan) return value;
  const source = [...wide];
  if (repeats) for (let i = axis; i < shape.length; i++) wide[i] = shape[i];
  for (let i = axis - 1; i >= 0 && sizeOf(wide.slice(i + 1)) < minSpan; i--) wide[i] = shape[i];
  return sizeOf(wide) * 8 > sizeOf(shape) ? value : expand(reshape(value, source), wide);
}

/**
 * The axes that two shapes of the same size have in common when both are split further, with the axis of each that they
 * are part of.
 */
function commonAxes(a: Shape, b: Shape): { size: number; a: number; b: number }[] | undefined {
  const axes: { size: number; a: number; b: number }[] = [];
  let [i, j] = [a.length - 1, b.length - 1];
  let [restA, restB] = [a[i], b[j]];
  while (i >= 0 && j >= 0) {
    const size = Math.min(restA, restB);
    if (restA % size !== 0 || restB % size !== 0) return undefined;
    axes.unshift({ size, a: i, b: j });
    [restA, restB] = [restA / size, restB / size];
    if (restA === 1) restA = a[--i];
    if (restB === 1) restB = b[--j];
  }
  return i < 0 && j < 0 ? axes : undefined;
}

/**
 * Where a large operand is only a reshaped one, and the small one is repeated in short loops (one number for a group of
 * channels, say):
 * both in the shape it had before, in which the small operand can be widened.
 */
export function beforeReshape(a: Value, b: Value, shape: Shape): readonly [Value, Value] | undefined {
  const { graph } = a;
  const size = sizeOf(shape);
  const reshaped = [a, b].filter((value) => value.node.op === 'Reshape' && sizeOf(value.shape) === size);
  if (reshaped.length === 0 || !graph.target.contrib || size === 0) return undefined;
  const source = graph.resolve(reshaped[0].node.inputs[0]!).shape;
  const squeezed = (list: Shape) => list.filter((extent) => extent !== 1);
  const axes = commonAxes(squeezed(shape), squeezed(source));
  if (!axes) return undefined;

  const convert = (value: Value): Value | undefined => {
    if (sizeOf(value.shape) === size) {
      const from = value.node.op === 'Reshape' ? graph.resolve(value.node.inputs[0]!) : undefined;
      return from && sameShape(from.shape, source) ? from : undefined;
    }
    const { axis, repeats, wide } = innerLoop(value, shape);
    if (!repeats || sizeOf(shape.slice(axis)) >= minSpan) return undefined;
    const extents = wide.filter((_, i) => shape[i] !== 1);
    const parts = axes.map(({ size: part, a: i }) => (extents[i] === 1 ? 1 : part));
    // An axis of the source that it is only partly repeated along is written out in full.
    const full = new Set(axes.filter((_, i) => parts[i] !== 1).map(({ b: j }) => j));
    const written = axes.map(({ size: part, b: j }) => (full.has(j) ? part : 1));
    let next = 0;
    const target = source.map((extent) => (extent === 1 || full.has(next++) ? extent : 1));
    return reshape(expand(reshape(value, parts), written), target);
  };
  const [x, y] = [convert(a), convert(b)];
  return x && y && [x, y];
}
