import { z } from 'zod';
import type { Curve } from './curves';
import { addPoint, curvePoints, curveSchema, emptyCurve } from './curves';
import type { Metrics } from './metrics-of';

/** Steps whose losses make the recent loss. */
const RECENT = 20;

const curveNames = [
  ...['loss', 'validationLoss', 'gradNorm', 'learningRate', 'imagesPerSecond'],
  ...['quartile1', 'quartile2', 'quartile3', 'quartile4'],
] as const;

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
  curves: z.record(z.enum(curveNames), curveSchema),
});

/**
 * All that is shown of the steps of a run. It has the same size however many they are, so that a long run is saved and
 * resumed as fast as a short one.
 */
export type History = z.infer<typeof historySchema>;

export function emptyHistory(): History {
  const curves = Object.fromEntries(curveNames.map((name) => [name, emptyCurve()])) as Record<
    (typeof curveNames)[number],
    Curve
  >;
  return { steps: 0, seconds: 0, skipped: 0, recent: [], curves };
}

/** Adds a step, which may not lie before those that were added. */
export function addStep(history: History, metrics: Metrics): void {
  const { step, loss, validationLoss, gradNorm, learningRate, imagesPerSecond, quartiles, seconds, skipped } = metrics;
  const [quartile1, quartile2, quartile3, quartile4] = quartiles;
  const values = {
    loss,
    validationLoss,
    gradNorm,
    learningRate,
    imagesPerSecond,
    quartile1,
    quartile2,
    quartile3,
    quartile4,
  };
  for (const name of curveNames) addPoint(history.curves[name], step, values[name] ?? NaN);
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
  const speeds = curvePoints(curves.imagesPerSecond).map(({ mean }) => mean);
  return speeds.sort((a, b) => a - b)[speeds.length >> 1] ?? NaN;
}
