/** A link's contents: a view, and its settings. */
export interface Place {
  readonly view: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** `#denoise?class=3&seed=1` as a view and its settings. */
export function parseHash(hash: string): Place {
  const [view, query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { view, settings: Object.fromEntries(new URLSearchParams(query)) };
}

/** The reverse. */
export function formatHash({ view, settings }: Place): string {
  const query = new URLSearchParams(settings).toString();
  return `#${view}${query && `?${query}`}`;
}

/** A number within limits, or what stands for it where the link says none. */
export function numberIn(
  text: string | undefined,
  [least, most]: readonly [number, number],
  otherwise: number,
): number {
  const value = Number(text);
  return text === undefined || text === '' || !Number.isFinite(value)
    ? otherwise
    : Math.min(most, Math.max(least, value));
}
