import { createHash } from 'node:crypto';
import { formatSeconds } from '@ddpm/app-common';
import { readPngHeader } from '@ddpm/images/png';
import { charts } from './report-charts';
import { script, style } from './report-page';

/** What is known of a step, as in `metrics.jsonl`; what is absent, null or not finite is left out. */
export interface ReportStep {
  /** Counts from 0. */
  readonly step: number;
  readonly loss?: number | null;
  readonly validationLoss?: number | null;
  /** The loss in each quarter of 0 … T − 1. */
  readonly quartiles?: readonly (number | null)[];
  readonly learningRate?: number | null;
  readonly gradNorm?: number | null;
  readonly imagesPerSecond?: number | null;
  /** Of training so far. */
  readonly seconds?: number | null;
  readonly skipped?: boolean;
}

export interface ReportData {
  readonly title: string;
  /** Whatever else to say at the top, by name, such as the number of parameters. */
  readonly facts?: Readonly<Record<string, string>>;
  /** JSON; what is nested is shown by its path. */
  readonly config: Readonly<Record<string, unknown>>;
  /** In order of step. */
  readonly metrics: readonly ReportStep[];
  /** Pictures (PNG files) in order of the number of steps after which they were drawn. */
  readonly previews?: readonly { readonly step: number; readonly png: Uint8Array }[];
}

/** Pictures shown at most; of more, as many are chosen evenly, the first and the last among them. */
const MAX_PREVIEWS = 60;

/**
 * A run as one web page that needs nothing else: figures, curves as SVG, pictures and styles are in it, and it may load nothing and run
 * nothing but its own few lines of script, without which all of it is still there.
 * @throws RangeError if a preview is not a PNG file
 */
export function reportHtml({ title, facts, config, metrics, previews = [] }: ReportData): string {
  const policy = [
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'",
    `script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  ];
  const sections = [
    section(
      'Curves',
      charts(metrics).map(({ name, note, wide, svg }) => figure(name, note, wide, svg)),
      'charts',
    ),
    section('Samples', samples(previews)),
    section('Configuration', Object.keys(config).length > 0 ? [table(config)] : []),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy.join('; '))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<dl class="facts">
${Object.entries({ ...summary(metrics), ...facts })
  .map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
  .join('\n')}
</dl>
</header>
${sections.join('')}<script>${script}</script>
</body>
</html>
`;
}

const section = (name: string, content: readonly string[], kind = '') =>
  content.length === 0 ? '' : `<section>\n<h2>${name}</h2>\n<div class="${kind}">\n${content.join('\n')}\n</div>\n</section>\n`;

const figure = (name: string, note: string, wide: boolean, svg: string) =>
  `<figure class="chart${wide ? ' wide' : ''}"><figcaption><b>${name}</b> ${note}</figcaption>\n${svg}</figure>`;

/** What a person looks for first. */
function summary(metrics: readonly ReportStep[]): Record<string, string> {
  const facts: Record<string, string> = {};
  const last = metrics.at(-1);
  if (last) facts.Steps = (last.step + 1).toLocaleString('en');
  if (isFinite(last?.seconds)) facts['Training time'] = formatSeconds(last.seconds);
  const speeds = metrics
    .map(({ imagesPerSecond }) => imagesPerSecond)
    .filter(isFinite)
    .sort((a, b) => a - b);
  if (speeds.length > 0) facts['Images a second'] = short(speeds[speeds.length >> 1]);
  const losses = metrics
    .slice(-20)
    .map(({ loss }) => loss)
    .filter(isFinite);
  if (losses.length > 0) facts['Training loss'] = short(losses.reduce((sum, loss) => sum + loss, 0) / losses.length);
  const validated = metrics.filter(({ validationLoss }) => isFinite(validationLoss));
  if (validated.length > 0) {
    const best = validated.reduce((a, b) => (b.validationLoss! < a.validationLoss! ? b : a));
    facts['Best validation loss'] = `${short(best.validationLoss!)} after ${(best.step + 1).toLocaleString('en')} steps`;
  }
  const skipped = metrics.filter((step) => step.skipped).length;
  if (skipped > 0) facts['Skipped steps'] = String(skipped);
  return facts;
}

const isFinite = (value: unknown): value is number => Number.isFinite(value);
const short = (value: number) => String(Number(value.toPrecision(4)));

/** The pictures side by side; the script adds a slider that goes through them. */
function samples(previews: NonNullable<ReportData['previews']>): string[] {
  const count = Math.min(previews.length, MAX_PREVIEWS);
  const shown = Array.from({ length: count }, (_, i) => previews[Math.round((i * (previews.length - 1)) / Math.max(count - 1, 1))]);
  const figures = shown.map(({ step, png }) => {
    const { width, height } = readPngHeader(png);
    const caption = `after ${step.toLocaleString('en')} steps`;
    const src = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
    return `<figure><img src="${src}" width="${width}" height="${height}" alt="Samples ${caption}"><figcaption>${caption}</figcaption></figure>`;
  });
  return figures.length === 0 ? [] : [`<div class="viewer" hidden></div>\n<div class="strip" tabindex="0">\n${figures.join('\n')}\n</div>`];
}

function table(config: Readonly<Record<string, unknown>>): string {
  const rows = flat(config).map(
    // A long path may break after its dots.
    ([path, value]) => `<tr><th scope="row">${escapeHtml(path).replaceAll('.', '.<wbr>')}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<table>\n${rows.join('\n')}\n</table>`;
}

/** Every setting by its path. */
function flat(value: unknown, path = ''): [path: string, value: string][] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null) return [[path, `${value as string | number | boolean | null}`]];
  if (Array.isArray(value) && value.every((element) => typeof element !== 'object')) return [[path, value.join(', ')]];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, path ? `${path}.${key}` : key));
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text that is the same within an element or a quoted attribute. */
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character]);
