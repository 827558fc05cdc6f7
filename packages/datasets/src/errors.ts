/**
 * The first line of what went wrong. Under a test runner, Node's own errors are of another realm, and no instances of
 * Error.
 */
export function firstLine(error: unknown): string {
  return ((error as Partial<Error> | null)?.message ?? String(error)).split('\n')[0];
}

/** Runs `read`; an error says which file (or address) it is about. */
export function about<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new RangeError(`${what}: ${firstLine(error)}`, { cause: error });
  }
}
