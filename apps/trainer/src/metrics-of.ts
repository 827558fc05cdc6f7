import type { Arrays, Batch } from '@ddpm/train';
import type { Step } from './observers/observer';

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
  /** The mean loss in each quarter of what the task is harder and easier at; null where there is none. */
  readonly quartiles?: readonly (number | null)[];
  /** The means of the task's other losses, by name. */
  readonly losses?: Readonly<Record<string, number>>;
  readonly validationLoss?: number;
  /** All else that was measured after the step, by name, such as `validation/accuracy`. */
  readonly measures?: Readonly<Record<string, number>>;
  readonly skipped?: true;
}

/**
 * The record of a step.
 * @param training.quarters the task's way to the means in quarters, if it has one
 */
export function metricsOf(
  { step, epoch, loss, losses, gradNorm, imagesPerSecond, seconds, learningRate, inputs, measured, skipped }: Step,
  { quarters }: { readonly quarters?: (inputs: Batch, losses: Arrays) => NonNullable<Metrics['quartiles']> },
): Metrics {
  const others = [...losses].filter(([name]) => name !== 'loss');
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const { validationLoss, ...measures } = measured;
  return {
    ...{ step, epoch, loss, gradNorm, imagesPerSecond, seconds, learningRate },
    ...(quarters && { quartiles: quarters(inputs, losses) }),
    ...(others.length > 0 && { losses: Object.fromEntries(others.map(([name, values]) => [name, mean(values)])) }),
    ...(validationLoss !== undefined && { validationLoss }),
    ...(Object.keys(measures).length > 0 && { measures }),
    ...(skipped && { skipped: true as const }),
  };
}
