import { sizeOf } from '../graph';
import type { TensorData } from './data';
import type { GradientProgram } from './gradient-program';

/** The examples of some micro-batches, as views of each input. */
export const rows = (
  { spec, microBatch }: GradientProgram,
  inputs: readonly TensorData[],
  start: number,
  microBatches: number,
): TensorData[] =>
  spec.batch.map(({ shape }, i) => {
    const each = sizeOf(shape.slice(1));
    return inputs[i].subarray(start * each, (start + microBatches * microBatch) * each);
  });
