import { z } from 'zod';
import { addPoint, curvePoints, curveSchema, emptyCurve } from './curves';
import type { Metrics } from './metrics-of';

/** Steps whose losses make the recent loss. */
const RECENT = 20;

export const historySchema = z.object({
  /** Steps taken. */
  steps: z.int().nonnegative(),
  /** Of training so far. */
  seconds: z.number(),
  /** Steps that were skipped. */
  skipped: z.int().nonnegative(),
  /** The losses of the last steps; null where one is not finite. */
  recent: z.array(z.number().nullable()).max(RECENT),
  /** The least validation loss, and the steps after which it was measured. */
  best: z.object({ loss: z.number(), steps: z.int() }).optional(),
  /** By name: `loss`, `validationLoss`, `quartile1`, …, `losses/<name>`, and whatever else was measured. */
  curves: z.record(z.string(), curveSchema),
});

/**
 * All that is shown of the steps of a run. It has the same size however many they are, so that a long run is saved and
 * resumed as fast as a short one.
 */
export type History = z.infer<typeof historySchema>;

export const emptyHistory = (): History => ({ steps: 0, seconds: 0, skipped: 0, recent: [], curves: {} });

/** Adds a step, which may not lie before those that were added. */
export function addStep(history: History, metrics: Metrics): void {
  const { step, loss, validationLoss, gradNorm, learningRate, imagesPerSecond, seconds, skipped } = metrics;
  const { quartiles = [], losses = {}, measures = {} } = metrics;
  const values: Readonly<Record<string, number | null | undefined>> = {
    ...{ loss, validationLoss, gradNorm, learningRate, imagesPerSecond },
    ...Object.fromEntries(quartiles.map((value, i) => [`quartile${i + 1}`, value])),
    ...Object.fromEntries(Object.entries(losses).map(([name, value]) => [`losses/${name}`, value])),
    ...measures,
  };
  for (const [name, value] of Object.entries(values))
    if (value !== null && value !== undefined) addPoint((history.curves[name] ??= emptyCurve()), step, value);
  history.steps = step + 1;
  history.seconds = seconds;
  if (skipped) history.skipped++;
  history.recent = [...history.recent, Number.isFinite(loss) ? loss : null].slice(-RECENT);
  if (validationLoss !== undefined && validationLoss < (history.best?.loss ?? Infinity))
    history.best = { loss: validationLoss, steps: step + 1 };
}

/** The mean of the last losses that are finite; NaN where there is none. */
export function recentLoss({ recent }: History): number {
  const losses = recent.filter((loss) => loss !== null);
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** The median speed; of a long run, of the means over some steps each. NaN where there is none. */
export function medianSpeed({ curves }: History): number {
  const speeds = curvePoints(curves.imagesPerSecond ?? emptyCurve()).map(({ mean }) => mean);
  return speeds.sort((a, b) => a - b)[speeds.length >> 1] ?? NaN;
}
