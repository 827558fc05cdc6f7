import { UsageError } from '@ddpm/app-common';
import type { ByteImage } from '@ddpm/images';
import { imageGrid } from '@ddpm/images';
import { encodePng } from '@ddpm/images/png';
import type { SamplerChoice } from '@ddpm/models';
import { samplers } from '@ddpm/models';
import type { NoiseSchedule } from '@ddpm/schedules';

/** One sampler with one number of steps: what it made of the noise, and how long it took; or why it made nothing. */
export type Cell = { readonly images: readonly ByteImage[]; readonly seconds: number } | { readonly reason: string };

/** Rows and columns of a comparison. */
export interface Comparison {
  readonly samplers: readonly string[];
  readonly steps: readonly (number | 'all')[];
}

/** The comparison that is asked for. */
export function comparisonOf(asked: readonly string[], steps: Comparison['steps'] = [5, 10, 20, 50]): Comparison {
  return { samplers: asked.includes('all') ? Object.keys(samplers) : [...new Set(asked)], steps: [...new Set(steps)] };
}

/** The sampler and steps of a cell; undefined where there are no timesteps to take all of. */
export function choiceOf(
  sampler: string,
  steps: number | 'all',
  schedule: NoiseSchedule | undefined,
): SamplerChoice | undefined {
  if (steps !== 'all') return { sampler, steps };
  return schedule && { sampler, steps: schedule.timesteps };
}

/** Pixels of an image on the picture, about; and of what is written around. */
const [VIEW, LEFT, TOP, GAP, LINE] = [56, 150, 36, 14, 20];

/**
 * A comparison as a PNG file: a row for each sampler, a column for each number of steps.
 * @throws UsageError if no cell has images
 */
export async function comparisonPng(
  { samplers: rows, steps }: Comparison,
  cells: readonly (readonly Cell[])[],
): Promise<Uint8Array> {
  const grids = cells.map((row) =>
    row.map((cell) => ('images' in cell ? { ...cell, grid: imageGrid(cell.images, { padding: 1 }) } : cell)),
  );
  const first = grids.flat().find((cell) => 'grid' in cell);
  if (!first) {
    const reasons = new Set(grids.flat().flatMap((cell) => ('reason' in cell ? [cell.reason] : [])));
    throw new UsageError(`--compare: nothing can be drawn so: ${[...reasons].join('; ')}`);
  }
  const factor = Math.max(1, Math.round(VIEW / first.images[0].width));
  const [w, h] = [first.grid.width * factor, first.grid.height * factor];
  const text = (x: number, y: number, line: string, anchor = 'middle', fill = '#334155') =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="14" fill="${fill}">${line}</text>`;
  const at = (column: number) => LEFT + column * (w + GAP);
  const parts = steps.map((count, k) => text(at(k) + w / 2, TOP - 12, `${count} step${count === 1 ? '' : 's'}`));
  grids.forEach((row, i) => {
    const y = TOP + i * (h + LINE + GAP);
    parts.push(text(LEFT - 12, y + h / 2 + 5, rows[i], 'end'));
    row.forEach((cell, k) => {
      if ('grid' in cell) {
        const data = Buffer.from(encodePng(cell.grid)).toString('base64');
        parts.push(
          `<image x="${at(k)}" y="${y}" width="${w}" height="${h}" image-rendering="optimizeSpeed" href="data:image/png;base64,${data}"/>`,
          text(at(k) + w / 2, y + h + 15, `${cell.seconds.toFixed(cell.seconds < 10 ? 1 : 0)} s`, 'middle', '#64748b'),
        );
      } else parts.push(text(at(k) + w / 2, y + h / 2 + 5, 'refused', 'middle', '#94a3b8'));
    });
  });
  const [width, height] = [at(steps.length), TOP + rows.length * (h + LINE + GAP)];
  const { svgToPng } = await import('@ddpm/images/plot');
  return svgToPng(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="Inter">${parts.join('')}</svg>`,
    { scale: 1 },
  );
}
