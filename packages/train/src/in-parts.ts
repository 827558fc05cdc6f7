import { count, part } from './batch';
import type { Gradients, GradientsResult } from './gradients';

/**
 * Gradient accumulation: the gradients of a large batch from parts of at most `size` examples, averaged with each
 * part's share, so that memory is that of a part and the result that of the whole. Not for tasks that are coupled.
 * @param size examples in a part
 */
export function inParts(gradients: Gradients, size: number): Gradients {
  const run: (...args: Parameters<Gradients>) => Promise<GradientsResult> = async (parameters, batch) => {
    const n = count(batch);
    if (n <= size) return gradients(parameters, batch);
    let loss = 0;
    const losses = new Map<string, Float32Array>();
    const sums = new Map<string, Float32Array>();
    for (let start = 0; start < n; start += size) {
      const end = Math.min(start + size, n);
      const share = (end - start) / n;
      const result = await gradients(parameters, part(batch, start, end));
      loss += share * result.loss;
      for (const [name, values] of result.losses) {
        const width = values.length / (end - start);
        if (!losses.has(name)) losses.set(name, new Float32Array(n * width));
        losses.get(name)!.set(values, start * width);
      }
      for (const [name, values] of result.gradients) {
        if (!sums.has(name)) sums.set(name, new Float32Array(values.length));
        const sum = sums.get(name)!;
        for (let i = 0; i < sum.length; i++) sum[i] += share * values[i];
      }
    }
    return { loss, gradients: sums, losses };
  };
  return Object.assign(run, { dispose: () => gradients.dispose() });
}
