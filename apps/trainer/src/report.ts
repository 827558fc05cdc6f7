import { createHash } from 'node:crypto';
import { escapeHtml, formatSeconds } from '@ddpm/app-common';
import { readPngHeader } from '@ddpm/images/png';
import type { History } from './history';
import { medianSpeed, recentLoss } from './history';
import { charts } from './report-charts';
import { script, style } from './report-page';

export interface ReportData {
  readonly title: string;
  /** Whatever else to say at the top, by name, such as the number of parameters. */
  readonly facts?: Readonly<Record<string, string>>;
  /** JSON; what is nested is shown by its path. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: History;
  /** How good its images are, as a section (`evaluationSection`). */
  readonly evaluation?: string;
  /** Pictures (PNG files) in order of the number of steps after which they were drawn. */
  readonly previews?: readonly { readonly step: number; readonly png: Uint8Array }[];
}

/**
 * A run as one web page that needs nothing else: figures, curves as SVG, pictures and styles are in it, and it may load
 * nothing and run nothing but its own few lines of script, without which all of it is still there.
 * @throws RangeError if a preview is not a PNG file
 */
export function reportHtml({ title, facts, config, history, evaluation = '', previews = [] }: ReportData): string {
  const policy = [
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'",
    `script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  ];
  const sections = [
    section(
      'Curves',
      charts(history).map(({ name, note, wide, svg }) => figure(name, note, wide, svg)),
      'charts',
    ),
    section('Samples', samples(previews)),
    evaluation,
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
${Object.entries({ ...summary(history), ...facts })
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
  content.length === 0
    ? ''
    : `<section>\n<h2>${name}</h2>\n<div class="${kind}">\n${content.join('\n')}\n</div>\n</section>\n`;

const figure = (name: string, note: string, wide: boolean, svg: string) =>
  `<figure class="chart${wide ? ' wide' : ''}"><figcaption><b>${escapeHtml(name)}</b> ${note}</figcaption>\n${svg}</figure>`;

/** The figures that a person looks for first. */
function summary(history: History): Record<string, string> {
  const { steps, seconds, best, skipped } = history;
  const [speed, loss] = [medianSpeed(history), recentLoss(history)];
  return {
    ...(steps > 0 && { Steps: steps.toLocaleString('en'), 'Training time': formatSeconds(seconds) }),
    ...(speed > 0 && { 'Images a second': short(speed) }),
    ...(Number.isFinite(loss) && { 'Training loss': short(loss) }),
    ...(best && { 'Best validation loss': `${short(best.loss)} after ${best.steps.toLocaleString('en')} steps` }),
    ...(skipped > 0 && { 'Skipped steps': String(skipped) }),
  };
}

const short = (value: number) => String(Number(value.toPrecision(4)));

/** The pictures side by side; the script adds a slider that goes through them. */
function samples(previews: NonNullable<ReportData['previews']>): string[] {
  const figures = previews.map(({ step, png }) => {
    const { width, height } = readPngHeader(png);
    const caption = `after ${step.toLocaleString('en')} steps`;
    const src = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
    return `<figure><img src="${src}" width="${width}" height="${height}" alt="Samples ${caption}"><figcaption>${caption}</figcaption></figure>`;
  });
  return figures.length === 0
    ? []
    : [`<div class="viewer" hidden></div>\n<div class="strip" tabindex="0">\n${figures.join('\n')}\n</div>`];
}

function table(config: Readonly<Record<string, unknown>>): string {
  const rows = flat(config).map(
    // A long path may break after its dots.
    ([path, value]) =>
      `<tr><th scope="row">${escapeHtml(path).replaceAll('.', '.<wbr>')}</th><td>${escapeHtml(value)}</td></tr>`,
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
