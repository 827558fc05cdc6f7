import type { Line } from '@ddpm/images/plot';
import { plotLines } from '@ddpm/images/plot';
import type { Curve } from './curves';
import { curvePoints, emptyCurve } from './curves';
import type { History } from './history';

export interface Chart {
  readonly name: string;
  readonly note: string;
  /** Whether it takes the whole width of a large screen. */
  readonly wide: boolean;
  /** One SVG, or two of which the style sheet shows the one that the screen has room for. */
  readonly svg: string;
}

const SMALL = { width: 420, height: 260 };
const LARGE = { width: 860, height: 340 };

/**
 * A curve as a line of its buckets' means, if any can be drawn; where buckets hold several steps, with the range of
 * what these were.
 */
function curveLine(
  name: string | undefined,
  curve: Curve = emptyCurve(),
  { logY = false, smooth = false } = {},
): Line[] {
  const points = curvePoints(curve).filter(({ mean }) => mean > 0 || !logY);
  if (points.length === 0) return [];
  return [
    {
      name,
      x: points.map(({ step }) => step),
      y: points.map(({ mean }) => mean),
      ...(smooth && points.length > 40 && { smooth: Math.ceil(points.length / 40) }),
      ...(curve.width > 1 && { range: { low: points.map(({ low }) => low), high: points.map(({ high }) => high) } }),
    },
  ];
}

/** The loss, and that of the images that were held out, if there are any. */
export const lossLines = ({ curves: { loss, validationLoss } }: History): Line[] => [
  ...curveLine('training', loss, { logY: true, smooth: true }),
  ...curveLine('validation', validationLoss, { logY: true }),
];

/** Whether two curves are of the same numbers, but for rounding. */
const sameCurve = ({ buckets: a } = emptyCurve(), { buckets: b } = emptyCurve()) =>
  a.length === b.length && a.every(([, , , sum], i) => Math.abs(sum - b[i][3]) <= 1e-5 * Math.abs(sum));

/** Curves that have charts of their own. */
const shown = [
  ...['loss', 'validationLoss', 'gradNorm', 'learningRate', 'imagesPerSecond'],
  ...['quartile1', 'quartile2', 'quartile3', 'quartile4'],
];

/** A chart of everything that the history holds a number of. */
export function charts(history: History): Chart[] {
  const { curves } = history;
  const { quartile1, quartile2, quartile3, quartile4, gradNorm, learningRate, imagesPerSecond } = curves;
  const chart = (name: string, note: string, lines: readonly Line[], { logY = false, wide = false } = {}): Chart[] => {
    if (lines.length === 0) return [];
    const draw = (size: { width: number; height: number }) => plotLines(lines, { ...size, logY, xLabel: 'step' });
    const svg = wide ? `<div class="large">${draw(LARGE)}</div>\n<div class="small">${draw(SMALL)}</div>` : draw(SMALL);
    return [{ name, note, wide, svg }];
  };
  const log = { logY: true, smooth: true };
  const quarters = [
    ...curveLine('1st', quartile1, log),
    ...curveLine('2nd', quartile2, log),
    ...curveLine('3rd', quartile3, log),
    ...curveLine('4th', quartile4, log),
  ];
  const named = (start: string) =>
    Object.keys(curves).flatMap((name) => (name.startsWith(start) ? [name.slice(start.length)] : []));
  const terms = [...new Set([...named('losses/'), ...named('validation/')])].map((name) =>
    // Without weights, what is unweighted is the loss.
    sameCurve(curves[`losses/${name}`], curves.loss)
      ? []
      : chart(name, '', [
          ...curveLine('training', curves[`losses/${name}`], { smooth: true }),
          ...curveLine('validation', curves[`validation/${name}`]),
        ]),
  );
  const measures = Object.keys(curves).filter((name) => !shown.includes(name) && !/^(losses|validation)\//.test(name));
  const { width = 1 } = curves.loss ?? {};
  const note = width > 1 ? `every ${width} steps faintly, with the range of their losses` : 'each step faintly';
  return [
    ...chart('Loss', `${note}, their moving average as a line`, lossLines(history), { logY: true, wide: true }),
    ...chart('Loss by noise level', 'in the quarters of the levels, from little noise to much', quarters, {
      logY: true,
    }),
    ...terms.flat(),
    ...measures.flatMap((name) => chart(name, '', curveLine('', curves[name]))),
    ...chart('Gradient norm', 'before clipping', curveLine('', gradNorm, log), { logY: true }),
    ...chart('Learning rate', '', curveLine('', learningRate)),
    ...chart('Images a second', '', curveLine('', imagesPerSecond, { smooth: true })),
  ];
}
