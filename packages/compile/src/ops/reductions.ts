import type { Value } from '../graph';
import { sizeOf } from '../graph';
import { int64s, node } from './node';
import { reshape } from './shapes';

/** Axes in ascending order, none negative. `undefined` and null mean all. */
export function parseAxes(axis: number | readonly number[] | null | undefined, rank: number): number[] {
  const axes =
    axis === undefined || axis === null
      ? Array.from({ length: rank }, (_, i) => i)
      : typeof axis === 'number'
        ? [axis]
        : axis;
  return [...new Set(axes.map((i) => (i < 0 ? i + rank : i)))].sort((a, b) => a - b);
}

/**
 * A reduction that keeps its axes as size 1. Axes with others between them are reduced one run after the other, since
 * ORT has fast loops only for one run, or two with the kept axes between them.
 */
export function reduce(op: string, x: Value, axes: readonly number[]): Value {
  x = x.graph.resolve(x);
  const real = axes.filter((axis) => x.shape[axis] !== 1);
  if (real.length === 0) return x;
  const runs: number[][] = [];
  for (const axis of real) {
    const run = runs.at(-1);
    if (run && x.shape.slice(run.at(-1)! + 1, axis).every((size) => size === 1)) run.push(axis);
    else runs.push([axis]);
  }
  // Summing within each image first is faster than summing rows over all, and what several sums have in common.
  if (runs[0][0] === 0 && runs[0].length > 1 && runs[0].at(-1)! < x.shape.length - 1)
    runs.splice(0, 1, runs[0].slice(1), [0]);
  let result = x;
  for (const run of runs) {
    const shape = result.shape.map((size, i) => (run.includes(i) ? 1 : size));
    // Merged to [outer, reduced, inner] without axes of size 1, the forms that ORT has fast loops for.
    const [outer, reduced] = [sizeOf(result.shape.slice(0, run[0])), sizeOf(run.map((axis) => result.shape[axis]))];
    const inner = sizeOf(result.shape) / outer / reduced;
    const fused = x.graph.fusions.reduction?.(op, result, [outer, reduced, inner]);
    if (fused) {
      result = reshape(fused, shape);
      continue;
    }
    const [before, behind] = [outer === 1 ? [] : [outer], inner === 1 ? [] : [inner]];
    const merged = reshape(result, [...before, reduced, ...behind]);
    const kept = node(op, [merged, int64s(x.graph, [before.length])], [...before, 1, ...behind], x.dtype, {
      keepdims: 1,
    });
    result = reshape(kept, shape);
  }
  return result;
}

export const sum = (x: Value, axes: readonly number[]): Value => reduce('ReduceSum', x, axes);
export const mean = (x: Value, axes: readonly number[]): Value => reduce('ReduceMean', x, axes);
export const dropAxes = (x: Value, axes: readonly number[]): Value =>
  reshape(
    x,
    x.shape.filter((_, i) => !axes.includes(i)),
  );
