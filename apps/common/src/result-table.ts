import type { Measures } from '@ddpm/evaluation';
import type { Result } from './results';

/** 24.123 → '24.1', 0.61234 → '0.61': three digits, and never more than two after the point. */
const short = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const percent = (value: number) => `${(100 * value).toFixed(1)}%`;

/** The measures' names, over their columns. */
export const headings = ['n', 'Fréchet', 'KID', 'precision', 'recall', 'right class'] as const;

/** What was measured, as it is shown. */
export const resultCells = ({
  n,
  frechetDistance,
  kernelDistance,
  precision,
  recall,
  classAccuracy,
}: Measures): string[] => [
  String(n),
  short(frechetDistance),
  `${kernelDistance.value.toFixed(3)} ± ${kernelDistance.error.toFixed(3)}`,
  percent(precision),
  percent(recall),
  classAccuracy === undefined ? '' : percent(classAccuracy),
];

/** The results side by side with what real images score. */
export function resultTable(results: readonly Result[]): string {
  const floors = new Map(results.map(({ floor }) => [floor.n, floor]));
  const rows = [
    ['', ...headings],
    ...results.map((result) => [result.of, ...resultCells(result)]),
    ...[...floors.values()].map((floor) => ['real images', ...resultCells(floor)]),
  ];
  const kept = rows[0].map((_, k) => k === 0 || rows.slice(1).some((row) => row[k] !== ''));
  const widths = rows[0].map((_, k) => Math.max(...rows.map((row) => row[k].length)));
  return rows
    .map((row) =>
      row
        .map((cell, k) => (k === 0 ? cell.padEnd(widths[k]) : cell.padStart(widths[k])))
        .filter((_, k) => kept[k])
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
