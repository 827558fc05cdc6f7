import { escapeHtml } from './escape-html';
import { attributeHeadings, attributeRows, headings, resultCells } from './result-table';
import type { Result } from './results';
import { variantOf } from './results';

const START = '<section id="evaluation">';

/**
 * The section of a run's report that shows how good its images are; empty where nothing was measured.
 * @param neighbours a picture (PNG) of images beside the training images that are nearest
 */
export function evaluationSection(results: readonly Result[], neighbours?: Uint8Array): string {
  if (results.length === 0) return '';
  const row = (cells: readonly string[], tag = 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  const drawnOf = ({ step, how, cascade, seed }: Result) =>
    `after ${step?.toLocaleString('en') ?? '?'} steps: ${[
      ...(how ? [`${how.sampler}, ${how.steps} steps`] : []),
      ...variantOf({ how, cascade }),
      `seed ${seed}`,
    ].join(', ')}`;
  const rows = results.flatMap((result) => {
    const { features, reference, floor } = result;
    const by = `${features.name} (${features.hash})`;
    const real = `real images of ${reference.dataset}, of ${reference.n.toLocaleString('en')} for training`;
    return [row([drawnOf(result), ...resultCells(result), by]), row([real, ...resultCells(floor), by])];
  });
  const attributes = results.flatMap((result) =>
    attributeRows(result).map(([which, ...cells]) => row([`${drawnOf(result)}, ${which}`, ...cells])),
  );
  const picture =
    neighbours &&
    `<figure><img src="data:image/png;base64,${Buffer.from(neighbours).toString('base64')}" alt="Images, each beside its nearest training images"><figcaption>the first images, each beside the training images that are nearest by their features</figcaption></figure>`;
  return [
    START,
    '<h2>Evaluation</h2>',
    '<table>',
    row(['images', ...headings, 'features'], 'th'),
    ...rows,
    '</table>',
    ...(attributes.length > 0
      ? [
          '<table>',
          row(['portraits that show what was asked for', ...attributeHeadings], 'th'),
          ...attributes,
          '</table>',
        ]
      : []),
    ...(picture ? [picture] : []),
    '</section>\n',
  ].join('\n');
}

/** A report with that section in place of the one that it has, or before what comes last. */
export function withEvaluation(report: string, section: string): string {
  const start = report.indexOf(START);
  const end = '</section>\n';
  const without = start < 0 ? report : report.slice(0, start) + report.slice(report.indexOf(end, start) + end.length);
  const places = ['<section>\n<h2>Configuration</h2>', '<script>'].map((place) => without.lastIndexOf(place));
  const at = start >= 0 ? start : (places.find((place) => place >= 0) ?? without.length);
  return without.slice(0, at) + section + without.slice(at);
}
