import type { Step } from './observers/observer';
import type { Training } from './tasks/training';

/** A step's numbers, as `metrics.jsonl` holds them; a number that is not finite is null there. */
export interface Metrics {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly imagesPerSecond: number;
  /** Of training, previews and the like not counted. */
  readonly seconds: number;
  readonly learningRate: number;
  /** The mean loss of the images whose t lies in each quarter of 0 … T − 1; null where there is none. */
  readonly quartiles: readonly (number | null)[];
  /** The means of the task's other losses, by name. */
  readonly losses?: Readonly<Record<string, number>>;
  readonly validationLoss?: number;
  readonly skipped?: true;
}

/** The record of a step. */
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
