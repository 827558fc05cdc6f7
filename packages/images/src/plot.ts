export { captionedGrid } from './captioned-grid';
import * as Plot from '@observablehq/plot';
import { Resvg } from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';
import { fileURLToPath } from 'node:url';
import { logTicks } from './log-ticks';
import { smooth } from './smooth';

/** One line of a plot. */
export interface Line {
  /** Written above the plot, in the line's colour. */
  readonly name?: string;
  /** Values; those that are not finite leave a gap. */
  readonly y: ArrayLike<number>;
  /** As long as `y`; by default 0, 1, 2, … */
  readonly x?: ArrayLike<number>;
  /** Draws the mean over about this many points as the line, and the points themselves faintly behind it. */
  readonly smooth?: number;
  /** As long as `y`: what each value stands for lies between these, which is a faint area behind the line. */
  readonly range?: { readonly low: ArrayLike<number>; readonly high: ArrayLike<number> };
}

/** Title, axes and size of a plot. */
export interface PlotOptions {
  /** Written above. */
  readonly title?: string;
  /** Written below the x axis. */
  readonly xLabel?: string;
  /** Written above the y axis. */
  readonly yLabel?: string;
  /** A logarithmic y axis; values that are not positive are left out. False by default. */
  readonly logY?: boolean;
  /** In units of the SVG; 720 by default. */
  readonly width?: number;
  /** In units of the SVG; 400 by default. */
  readonly height?: number;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Span {
  readonly x: number;
  readonly low: number;
  readonly high: number;
}

const isFinitePoint = ({ x, y }: Point) => Number.isFinite(x) && Number.isFinite(y);

const COLORS = ['#2563eb', '#ea580c', '#059669', '#9333ea', '#dc2626', '#0891b2', '#ca8a04', '#db2777'];
const FONT = fileURLToPath(new URL('../fonts/inter.ttf', import.meta.url));

/**
 * Lines over one pair of axes, as an SVG document. Values that are not finite leave a gap.
 * @throws RangeError if a line's x, y and range differ in length, or there is no value to draw
 */
export function plotLines(
  lines: readonly Line[],
  { title, xLabel, yLabel, logY = false, width = 720, height = 400 }: PlotOptions = {},
): string {
  const onAxis = (value: number) => (logY ? Math.log10(value) : value);
  const drawn = lines.map(({ name = '', x, y, smooth: points, range }, i) => {
    if (x && x.length !== y.length) throw new RangeError(`plotLines: line ${i} has ${x.length} x and ${y.length} y`);
    if (range && (range.low.length !== y.length || range.high.length !== y.length))
      throw new RangeError(
        `plotLines: line ${i} has ${y.length} y and a range of ${range.low.length} and ${range.high.length}`,
      );
    const color = COLORS[i % COLORS.length];
    const toPoints = (ys: ArrayLike<number>) =>
      Array.from(ys, (value, k) => ({ color, x: x ? x[k] : k, y: onAxis(value) }));
    const spans: Span[] = Array.from(range?.low ?? [], (low, k) => ({
      x: x ? x[k] : k,
      low: onAxis(low),
      high: onAxis(range!.high[k]),
    }));
    const area = spans.filter(({ low, high }) => Number.isFinite(low) && Number.isFinite(high));
    return { name, color, area, raw: points ? toPoints(y) : [], line: toPoints(points ? smooth(y, points) : y) };
  });
  const finite = drawn
    .flatMap(({ area, raw, line }) => [
      ...raw,
      ...line,
      ...area.flatMap(({ x, low, high }) => [
        { x, y: low },
        { x, y: high },
      ]),
    ])
    .filter(isFinitePoint);
  if (finite.length === 0) throw new RangeError(`plotLines: no ${logY ? 'positive ' : ''}finite value to draw`);

  const [left, right] = span(finite.map(({ x }) => x));
  const [low, high] = span(finite.map(({ y }) => y));
  const ends = drawn.flatMap(({ line }) => line.findLast(isFinitePoint) ?? []);
  const marginLeft = 64;
  const { document } = parseHTML('<html></html>');
  const svg = Plot.plot({
    document,
    width,
    height,
    marginLeft,
    marginTop: title ? 60 : 34,
    marginRight: 32,
    marginBottom: 48,
    style: { fontSize: '13px', color: '#334155' },
    x: {
      domain: [left, right],
      label: xLabel ?? null,
      labelArrow: 'none',
      labelAnchor: 'center',
      labelOffset: 40,
      tickSize: 4,
      ticks: Math.round(width / 110),
    },
    y: {
      label: null,
      tickSize: 0,
      grid: true,
      domain: [low, high],
      ...(logY
        ? { ticks: logTicks(10 ** low, 10 ** high).map(Math.log10), tickFormat: (v: number) => shortNumber(10 ** v) }
        : { nice: true, ticks: Math.round(height / 60) }),
    },
    marks: [
      Plot.frame({ anchor: 'bottom', stroke: '#94a3b8' }),
      ...drawn.flatMap(({ area, raw, line, color }) => [
        Plot.areaY(area, { x: 'x', y1: 'low', y2: 'high', fill: color, fillOpacity: 0.15 }),
        Plot.line(raw, { x: 'x', y: 'y', stroke: color, strokeWidth: 1, strokeOpacity: 0.3 }),
        Plot.line(line, { x: 'x', y: 'y', stroke: color, strokeWidth: 2 }),
      ]),
      Plot.dot(ends, { x: 'x', y: 'y', r: 3, fill: 'color' }),
      ...legend(drawn),
      ...corner(yLabel, { dx: 8 - marginLeft, dy: -22 }),
      ...corner(title, { dx: 8 - marginLeft, dy: -46, fontSize: 16, fill: '#0f172a' }),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('font-family', 'Inter, system-ui, sans-serif');
  // Plot's style sheet sizes the picture within a web page, and it is the only part that is not plain SVG.
  svg.querySelector('style')?.remove();
  return `${svg.outerHTML}\n`;
}

/**
 * An SVG document as a PNG file. Text is drawn in Inter (Latin, Greek and some mathematical signs), which comes with
 * this package, so the picture is the same on every machine.
 * @param options.scale pixels of the PNG for each unit of the SVG
 * @throws Error if it is not SVG
 */
export function svgToPng(svg: string, { scale = 2 } = {}): Uint8Array {
  const resvg = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: scale },
    background: 'white',
    font: { fontFiles: [FONT], loadSystemFonts: false, defaultFontFamily: 'Inter' },
  });
  return new Uint8Array(resvg.render().asPng());
}

/** The least and greatest value, widened where they are one and the same. */
function span(values: readonly number[]): [low: number, high: number] {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const room = low < high ? 0 : Math.abs(low) / 2 || 1;
  return [low - room, high + room];
}

/** Four digits, as 0.05 or 5e-5. */
function shortNumber(value: number): string {
  const [digits, exponent] = value.toExponential(3).split('e').map(Number);
  return Math.abs(exponent) > 4 ? `${digits}e${exponent}` : String(Number(value.toPrecision(4)));
}

/** Text at the top left of the frame. */
function corner(text: string | undefined, options: Plot.TextOptions): Plot.Markish[] {
  return text ? [Plot.text([text], { frameAnchor: 'top-left', ...options })] : [];
}

/** The names of the lines, right-aligned above the frame. */
function legend(lines: readonly { name: string; color: string }[]): Plot.Markish[] {
  let right = 0;
  return [...lines].reverse().flatMap(({ name, color }) => {
    if (!name) return [];
    const mark = Plot.text([name], { frameAnchor: 'top-right', dx: -right, dy: -22, fill: color });
    right += 18 + 7.5 * name.length;
    return [mark];
  });
}
