/**
 * The first line of what went wrong. Under a test runner, Node's own errors are of another realm, and no instances of
 * Error.
 */
export function firstLine(error: unknown): string {
  return ((error as Partial<Error> | null)?.message ?? String(error)).split(/[\r\n]/)[0];
}

/** A value of JSON from others as a message has it: on one line, and not too long. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

/** Runs `read`; an error says which file (or address) it is about. */
export function about<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new RangeError(`${what}: ${firstLine(error)}`, { cause: error });
  }
}
