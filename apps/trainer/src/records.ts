import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@ddpm/checkpoint';
import { plotLines, svgToPng } from '@ddpm/images/plot';
import type { Metrics } from './metrics';
import { reportHtml } from './report';
import type { EventWriter } from './tensorboard';

/** Draws `loss.png` and makes `report.html` from what the run folder holds. */
export async function writeRecords(folder: string, metrics: readonly Metrics[], config: Readonly<Record<string, unknown>>): Promise<void> {
  if (!metrics.some(({ loss }) => loss > 0)) return;
  await writeFileAtomic(join(folder, 'loss.png'), svgToPng(lossPlot(metrics)));
  const previews = [];
  for (const name of (await readdir(join(folder, 'previews')).catch(() => [])).sort()) {
    const step = /^step-(\d+)\.png$/.exec(name)?.[1];
    if (step) previews.push({ step: Number(step), png: await readFile(join(folder, 'previews', name)) });
  }
  await writeFileAtomic(join(folder, 'report.html'), reportHtml({ title: folder, config, metrics, previews }));
}

function lossPlot(metrics: readonly Metrics[]): string {
  const smooth = metrics.length > 40 ? Math.ceil(metrics.length / 40) : undefined;
  const validated = metrics.filter(({ validationLoss: loss }) => loss !== undefined);
  return plotLines(
    [
      {
        name: validated.length > 0 ? 'training' : undefined,
        x: metrics.map(({ step }) => step),
        y: metrics.map(({ loss }) => loss),
        smooth,
      },
      ...(validated.length > 0
        ? [{ name: 'validation', x: validated.map(({ step }) => step), y: validated.map((line) => line.validationLoss!) }]
        : []),
    ],
    { title: 'Loss', xLabel: 'step', logY: true },
  );
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
