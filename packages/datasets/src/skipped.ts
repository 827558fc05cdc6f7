import type { Kind } from './picture-format';

/** A file that is passed over. */
export interface Skipped {
  readonly name: string;
  readonly kind: Kind;
}

/** How many kinds are named. */
const NAMED = 6;

/** One line that counts and names them by kind, such as "Skipped 3 files: 2 .txt (a.txt, …), 1 empty file (b.png)". */
export function describeSkipped(skipped: readonly Skipped[]): string {
  const kinds = new Map<string, { kind: Kind; names: string[] }>();
  for (const { name, kind } of skipped) {
    const same = kinds.get(kind[0]) ?? { kind, names: [] };
    same.names.push(name);
    kinds.set(kind[0], same);
  }
  const parts = [...kinds.values()]
    .sort((a, b) => b.names.length - a.names.length)
    .map(({ kind: [one, many], names }) =>
      names.length === 1 ? `1 ${one} (${names[0]})` : `${names.length} ${many} (${names[0]}, …)`,
    );
  const more =
    parts.length > NAMED ? [`and ${parts.length - NAMED} more ${parts.length - NAMED === 1 ? 'kind' : 'kinds'}`] : [];
  return `Skipped ${skipped.length} ${skipped.length === 1 ? 'file' : 'files'}: ${[...parts.slice(0, NAMED), ...more].join(', ')}`;
}
