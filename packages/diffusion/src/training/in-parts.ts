import type { TrainBatch } from './engine';
import type { GradientFunction } from './gradients';

/**
 * Gradient accumulation: the gradients of a large batch from parts of at most `size` images, averaged with each part's share, so that
 * memory is that of a part and the result that of the whole.
 * @param size images in a part
 */
export function inParts(gradients: GradientFunction, size: number): GradientFunction {
  return async (parameters, batch) => {
    const n = batch.t.length;
    if (n <= size) return gradients(parameters, batch);
    let loss = 0;
    const losses = new Float32Array(n);
    const sum = new Map<string, Float32Array>();
    for (let start = 0; start < n; start += size) {
      const part = slice(batch, start, Math.min(start + size, n));
      const share = part.t.length / n;
      const result = await gradients(parameters, part);
      loss += share * result.loss;
      losses.set(result.losses ?? new Float32Array(part.t.length).fill(result.loss), start);
      for (const [name, values] of result.gradients) {
        const total = sum.get(name) ?? new Float32Array(values.length);
        for (let i = 0; i < total.length; i++) total[i] += share * values[i];
        sum.set(name, total);
      }
    }
    return { loss, gradients: sum, losses };
  };
}

function slice({ xStart, noise, t, condition }: TrainBatch, start: number, end: number): TrainBatch {
  const rows = <T extends Float32Array | Int32Array>(data: T) =>
    data.subarray((data.length / t.length) * start, (data.length / t.length) * end) as T;
  return {
    xStart: rows(xStart),
    noise: rows(noise),
    t: rows(t),
    ...(condition && { condition: Object.fromEntries(Object.entries(condition).map(([name, data]) => [name, rows(data)])) }),
  };
}
