import { z } from 'zod';

/** Buckets of a curve at most. */
export const BUCKETS = 600;

export const curveSchema = z.object({
  /** Steps that a bucket covers: bucket i those from i·width on, before (i + 1)·width. */
  width: z.int().positive(),
  /**
   * Those that hold a value, in order: i, how many values, the sum of their steps, of them, the least and the greatest.
   */
  buckets: z.array(z.tuple([z.int(), z.int().positive(), z.number(), z.number(), z.number(), z.number()])).max(BUCKETS),
});

/**
 * A curve over the steps of a run, however long that is: at most `BUCKETS` buckets, which become twice as wide whenever
 * they run out.
 */
export type Curve = z.infer<typeof curveSchema>;
type Bucket = Curve['buckets'][number];

export const emptyCurve = (): Curve => ({ width: 1, buckets: [] });

/** Adds the value of a step, which may not lie before those that were added. What is not finite is left out. */
export function addPoint(curve: Curve, step: number, value: number): void {
  if (!Number.isFinite(value)) return;
  while (step >= BUCKETS * curve.width) widen(curve);
  const { width, buckets } = curve;
  const index = Math.floor(step / width);
  const bucket: Bucket = [index, 1, step, value, value, value];
  const last = buckets.at(-1);
  if (last?.[0] === index) buckets[buckets.length - 1] = together(index, last, bucket);
  else buckets.push(bucket);
}

function widen(curve: Curve): void {
  const buckets: Bucket[] = [];
  for (const bucket of curve.buckets) {
    const index = bucket[0] >> 1;
    const last = buckets.at(-1);
    if (last?.[0] === index) buckets[buckets.length - 1] = together(index, last, bucket);
    else buckets.push([index, ...(bucket.slice(1) as [number, number, number, number, number])]);
  }
  curve.width *= 2;
  curve.buckets = buckets;
}

const together = (index: number, a: Bucket, b: Bucket): Bucket => [
  index,
  a[1] + b[1],
  a[2] + b[2],
  a[3] + b[3],
  Math.min(a[4], b[4]),
  Math.max(a[5], b[5]),
];

/** A bucket as a point of a curve. */
export interface CurvePoint {
  /** The mean of the steps. */
  readonly step: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export const curvePoints = ({ buckets }: Curve): CurvePoint[] =>
  buckets.map(([, count, steps, sum, low, high]) => ({ step: steps / count, mean: sum / count, low, high }));
