import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@ddpm/checkpoint';
import { plotLines, svgToPng } from '@ddpm/images/plot';
import type { History } from './history';
import type { Metrics } from './metrics';
import { reportHtml } from './report';
import { lossLines } from './report-charts';
import type { EventWriter } from './tensorboard';

/** Previews that a report shows at most. */
const MAX_PREVIEWS = 60;

/** Draws `loss.png` and makes `report.html` from what the run folder holds. */
export async function writeRecords(folder: string, history: History, config: Readonly<Record<string, unknown>>): Promise<void> {
  const lines = lossLines(history);
  if (lines.length === 0) return;
  const plot = plotLines(lines.length > 1 ? lines : [{ ...lines[0], name: undefined }], { title: 'Loss', xLabel: 'step', logY: true });
  await writeFileAtomic(join(folder, 'loss.png'), svgToPng(plot));
  const names = await readdir(join(folder, 'previews')).catch(() => []);
  const drawn = names.map((name) => ({ name, step: Number(/^step-(\d+)\.png$/.exec(name)?.[1] ?? NaN) }));
  const inOrder = drawn.filter(({ step }) => !Number.isNaN(step)).sort((a, b) => a.step - b.step);
  const previews = [];
  for (const { name, step } of evenly(inOrder, MAX_PREVIEWS)) previews.push({ step, png: await readFile(join(folder, 'previews', name)) });
  await writeFileAtomic(join(folder, 'report.html'), reportHtml({ title: folder, config, history, previews }));
}

/** At most so many of them, the first and the last among them. */
export function evenly<T>(all: readonly T[], most: number): T[] {
  const count = Math.min(all.length, most);
  return Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / Math.max(count - 1, 1))]);
}

/** Tells TensorBoard of a step. */
export function writeEvents(
  events: EventWriter,
  { step, loss, gradNorm, learningRate, imagesPerSecond, quartiles, validationLoss }: Metrics,
): void {
  const scalars: Record<string, number | null | undefined> = { loss, gradNorm, learningRate, imagesPerSecond, validationLoss };
  quartiles.forEach((value, i) => (scalars[`quartiles/${i + 1}`] = value));
  for (const [tag, value] of Object.entries(scalars)) if (typeof value === 'number') events.scalar(tag, step, value);
}
