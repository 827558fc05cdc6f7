import type { Measures } from '@ddpm/evaluation';
import type { Result } from './results';
import { variantOf } from './results';

/** 24.123 → '24.1', 0.61234 → '0.61': three digits, and never more than two after the point. */
const short = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const percent = (value: number) => `${(100 * value).toFixed(1)}%`;

/** The measures' names, over their columns. */
export const headings = ['n', 'Fréchet', 'KID', 'precision', 'recall', 'right class'] as const;

/** The measures of a result, as they are shown: one cell for each heading. */
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

/** The name of a result: the path that was measured, and how its images were made. */
const nameOf = (result: Result) => [result.of, ...variantOf(result)].join(', ');

/** The results side by side with what real images score. */
export function resultTable(results: readonly Result[]): string {
  const floors = new Map(results.map(({ floor }) => [floor.n, floor]));
  return aligned([
    ['', ...headings],
    ...results.map((result) => [nameOf(result), ...resultCells(result)]),
    ...[...floors.values()].map((floor) => ['real images', ...resultCells(floor)]),
  ]);
}

/** The headings over what is read of portraits. */
export const attributeHeadings = ['n', 'hair', 'clothes', 'hat', 'colours', 'glasses'] as const;

/** The shares of portraits that show what was asked for, of combinations that training had and of those it lacked. */
export const attributeRows = ({ attributes }: Pick<Result, 'attributes'>): string[][] =>
  attributes === undefined
    ? []
    : (
        [
          ['seen', attributes.seen],
          ['held out', attributes.heldOut],
          ['unseen words', attributes.unseenWords],
        ] as const
      ).map(([which, { hair, clothes, hat, colours, glasses }]) => [
        which,
        String(attributes.n),
        ...[hair, clothes, hat, colours, glasses].map(({ asked, right }) => (asked > 0 ? percent(right / asked) : '')),
      ]);

/** A table of how often portraits show what was asked for; undefined where nothing was read. */
export function attributeTable(results: readonly Result[]): string | undefined {
  const rows = results.flatMap((result) =>
    attributeRows(result).map(([which, ...cells]) => [`${nameOf(result)}, ${which}`, ...cells]),
  );
  return rows.length === 0 ? undefined : aligned([['as asked', ...attributeHeadings], ...rows]);
}

/** Rows, the first of which are headings, in columns of equal width; empty columns are left out. */
function aligned(rows: readonly (readonly string[])[]): string {
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
