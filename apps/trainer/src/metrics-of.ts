import type { Metrics } from './metrics';
import type { Step } from './observers/observer';
import type { Training } from './tasks/training';

/** A step's numbers, as they are recorded. */
export function metricsOf(
  { step, epoch, loss, losses, gradNorm, imagesPerSecond, seconds, learningRate, inputs, measured, skipped }: Step,
  training: Training,
): Metrics {
  const others = [...losses].filter(([name]) => name !== 'loss');
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    ...{ step, epoch, loss, gradNorm, imagesPerSecond, seconds, learningRate },
    quartiles: training.quarters(inputs, losses),
    ...(others.length > 0 && { losses: Object.fromEntries(others.map(([name, values]) => [name, mean(values)])) }),
    ...measured,
    ...(skipped && { skipped: true as const }),
  };
}
