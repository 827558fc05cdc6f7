import type { Line } from '@ddpm/images/plot';
import { plotLines } from '@ddpm/images/plot';
import type { ReportStep } from './report';

export interface Chart {
  readonly name: string;
  readonly note: string;
  /** Whether it takes the whole width of a large screen. */
  readonly wide: boolean;
  /** One SVG, or two of which the style sheet shows the one that the screen has room for. */
  readonly svg: string;
}

type Curve = Line & { readonly x: readonly number[]; readonly y: readonly number[] };

/** Points of a curve at most. */
const POINTS = 600;
const SMALL = { width: 420, height: 260 };
const LARGE = { width: 860, height: 340 };

/** A chart of everything that the metrics hold a number of. */
export function charts(metrics: readonly ReportStep[]): Chart[] {
  /** The finite values, above 0 on a logarithmic axis, by step. */
  const curve = (name: string, valueOf: (step: ReportStep) => number | null | undefined, logY: boolean, smooth: boolean): Curve[] => {
    const known = metrics.flatMap((metric) => {
      const value = valueOf(metric);
      return typeof value === 'number' && Number.isFinite(value) && (value > 0 || !logY) ? [{ x: metric.step, y: value }] : [];
    });
    if (known.length === 0) return [];
    const points = thin(known);
    const line = { name, x: points.map(({ x }) => x), y: points.map(({ y }) => y) };
    return [smooth && points.length > 40 ? { ...line, smooth: Math.ceil(points.length / 40) } : line];
  };
  const chart = (name: string, note: string, lines: readonly Curve[], { logY = false, wide = false } = {}): Chart[] => {
    if (lines.length === 0) return [];
    const draw = (size: { width: number; height: number }) => plotLines(lines, { ...size, logY, xLabel: 'step' });
    const svg = wide ? `<div class="large">${draw(LARGE)}</div>\n<div class="small">${draw(SMALL)}</div>` : draw(SMALL);
    return [{ name, note, wide, svg }];
  };
  const quarters = ['1st', '2nd', '3rd', '4th'].flatMap((name, i) => curve(name, ({ quartiles }) => quartiles?.[i], true, true));
  return [
    ...chart(
      'Loss',
      'each step faintly, its moving average as a line',
      [...curve('training', ({ loss }) => loss, true, true), ...curve('validation', ({ validationLoss }) => validationLoss, true, false)],
      { logY: true, wide: true },
    ),
    ...chart('Loss by noise level', 'in the quarters of the timesteps, from little noise to much', quarters, { logY: true }),
    ...chart(
      'Gradient norm',
      'before clipping',
      curve('', ({ gradNorm }) => gradNorm, true, true),
      { logY: true },
    ),
    ...chart(
      'Learning rate',
      '',
      curve('', ({ learningRate }) => learningRate, false, false),
    ),
    ...chart(
      'Images a second',
      '',
      curve('', ({ imagesPerSecond }) => imagesPerSecond, false, true),
    ),
  ];
}

/** At most so many points: each the mean of as many neighbours. */
function thin(points: readonly { x: number; y: number }[]): { x: number; y: number }[] {
  const size = Math.ceil(points.length / POINTS);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    const mean = (key: 'x' | 'y') => group.reduce((sum, point) => sum + point[key], 0) / group.length;
    return { x: mean('x'), y: mean('y') };
  });
}
