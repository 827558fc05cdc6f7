import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { evaluationSection, readResults } from '@ddpm/app-common';
import { writeFileAtomic } from '@ddpm/checkpoint';
import { plotLines, svgToPng } from '@ddpm/images/plot';
import type { History } from './history';
import { reportHtml } from './report';
import { lossLines } from './report-charts';

/** Previews that a report shows at most. */
const MAX_PREVIEWS = 60;

/** Draws `loss.png` and makes `report.html` from what the run folder holds. */
export async function writeRecords(
  folder: string,
  history: History,
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  const lines = lossLines(history);
  if (lines.length === 0) return;
  const plot = plotLines(lines.length > 1 ? lines : [{ ...lines[0], name: undefined }], {
    title: 'Loss',
    xLabel: 'step',
    logY: true,
  });
  await writeFileAtomic(join(folder, 'loss.png'), svgToPng(plot));
  const names = await readdir(join(folder, 'previews')).catch(() => []);
  const drawn = names.map((name) => ({ name, step: Number(/^step-(\d+)\.png$/.exec(name)?.[1] ?? NaN) }));
  const inOrder = drawn.filter(({ step }) => !Number.isNaN(step)).sort((a, b) => a.step - b.step);
  const previews = [];
  for (const { name, step } of evenly(inOrder, MAX_PREVIEWS))
    previews.push({ step, png: await readFile(join(folder, 'previews', name)) });
  // What ddpm-evaluate has measured. A file that is not its own is left to it to complain of.
  const results = await readResults(folder).catch(() => []);
  const neighbours = await readFile(join(folder, 'neighbours.png')).catch(() => undefined);
  const evaluation = evaluationSection(results, neighbours);
  await writeFileAtomic(
    join(folder, 'report.html'),
    reportHtml({ title: folder, config, history, evaluation, previews }),
  );
}

/** At most so many of them, the first and the last among them. */
export function evenly<T>(all: readonly T[], most: number): T[] {
  const count = Math.min(all.length, most);
  return Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / Math.max(count - 1, 1))]);
}
