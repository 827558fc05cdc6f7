import type { MetricsFile } from '../metrics';
import { metricsOf } from '../metrics-of';
import type { Training } from '../tasks/training';
import type { Observer, Tolerate } from './observer';

/** A line of `metrics.jsonl` for each step. */
export function metricsLines(
  metrics: MetricsFile,
  { training, tolerate }: { training: Training; tolerate: Tolerate },
): Observer {
  return {
    step: async (step) => void (await tolerate(() => metrics.add(metricsOf(step, training)))),
    close: () => metrics.close(),
  };
}
