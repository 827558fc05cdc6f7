import type { Value } from '../graph';
import { reachable, sizeOf } from '../graph';
import type { Trace } from '../trace';

/** Traced to find out how large results are, where the micro-batch is to follow from that. */
export const guessedMicroBatch = 8;

/**
 * Bytes of the largest intermediate result that 'auto' aims for: what leaves room for a few of them in a core's share
 * of the cache.
 */
const targetBytes = 2 ** 22;

/**
 * The power of two that brings a result of so many bytes an example closest to that; 128 at most: of what needs so
 * little, more gain nothing.
 */
export const microBatchFor = (bytesEach: number): number =>
  2 ** Math.max(0, Math.min(7, Math.round(Math.log2(targetBytes / bytesEach))));

/** The largest intermediate result that grows with the batch, in bytes: the gradients do not, but depend on it. */
export function largestResult(
  { inputs, outputs, graph }: Trace,
  batchInputs: number,
  gradients: readonly Value[] = [],
): number {
  const sums = new Set(gradients.flatMap(summed));
  const changing = new Set(inputs.slice(0, batchInputs));
  let largest = 0;
  for (const { inputs: from, outputs: to } of reachable(outputs)) {
    if (!from.some((value) => value && changing.has(graph.resolve(value)))) continue;
    for (const value of to) {
      if (sums.has(value)) continue;
      changing.add(value);
      largest = Math.max(largest, sizeOf(value.shape) * 4);
    }
  }
  return largest;
}

/** The sums that a gradient is an arrangement of. */
function summed(gradient: Value): Value[] {
  const value = gradient.graph.resolve(gradient);
  const { op, inputs } = value.node;
  if (op === 'Concat') return inputs.flatMap((input) => summed(input!));
  return op === 'Reshape' || op === 'Transpose' || op === 'Slice' ? summed(inputs[0]!) : [value];
}
