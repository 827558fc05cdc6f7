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
 * Where gradients are large, the share of their bytes that it aims for instead: reading the weights and adding up the
 * gradients costs the same for a micro-batch of any size. Measured with 143 MB of weights: a step takes a tenth less
 * with 4 examples of 2.4 MB than with 2.
 */
const shareOfGradients = 1 / 16;
/** Bytes of all intermediate results together, beyond which an operator's work hides what calling it costs. */
const enoughBytes = 2 ** 27;
/** The most that 'auto' takes where work is enough: with more, too few micro-batches are left to share out. */
const enough = 16;

/**
 * The power of two that brings the largest result closest to that; `enough` at most, or as many as it takes for work
 * enough, but 128 at most: of what needs so little, more gain nothing.
 */
export function microBatchFor({ largest, all, gradients }: ResultBytes): number {
  const bits = (bytes: number, each: number) => Math.max(0, Math.min(7, Math.round(Math.log2(bytes / each))));
  const target = Math.max(targetBytes, gradients * shareOfGradients);
  return Math.min(2 ** bits(target, largest), Math.max(enough, 2 ** bits(enoughBytes, all)));
}

/** Intermediate results that grow with the batch, in bytes for an example, and gradients, which do not. */
export interface ResultBytes {
  readonly largest: number;
  readonly all: number;
  readonly gradients: number;
}

/** Those of a trace of `guessedMicroBatch` examples: the gradients do not grow with the batch, but depend on it. */
export function resultBytes(
  { inputs, outputs, graph }: Trace,
  batchInputs: number,
  gradients: readonly Value[] = [],
): ResultBytes {
  const sums = new Set(gradients.flatMap(summed));
  const changing = new Set(inputs.slice(0, batchInputs));
  let [largest, all] = [0, 0];
  for (const { inputs: from, outputs: to } of reachable(outputs)) {
    if (!from.some((value) => value && changing.has(graph.resolve(value)))) continue;
    for (const value of to) {
      if (sums.has(value)) continue;
      changing.add(value);
      const bytes = (sizeOf(value.shape) * 4) / guessedMicroBatch;
      largest = Math.max(largest, bytes);
      all += bytes;
    }
  }
  return { largest, all, gradients: gradients.reduce((bytes, { shape }) => bytes + sizeOf(shape) * 4, 0) };
}

/** The sums that a gradient is an arrangement of. */
function summed(gradient: Value): Value[] {
  const value = gradient.graph.resolve(gradient);
  const { op, inputs } = value.node;
  if (op === 'Concat') return inputs.flatMap((input) => summed(input!));
  return op === 'Reshape' || op === 'Transpose' || op === 'Slice' ? summed(inputs[0]!) : [value];
}
