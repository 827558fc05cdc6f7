/* What can be said of a value of whichever realm it is: test runners run a program in another than Node's own. */

/** A typed array's kind: `Float32Array` and so on. */
export const kindOf = (data: ArrayBufferView): string =>
  (data as unknown as Record<symbol, string>)[Symbol.toStringTag];

/** Whether threads can share memory. */
export const isShared = (memory: ArrayBufferLike): boolean => memory[Symbol.toStringTag] === 'SharedArrayBuffer';

/** An error's message. */
export const messageOf = (error: unknown): string => (error as Partial<Error> | undefined)?.message ?? String(error);

/** Why something failed, as one line. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error).replaceAll('\n', ' ').trim();
  const outOfMemory = /Failed to allocate|bad_alloc|Array buffer allocation failed/.test(message);
  return outOfMemory ? `out of memory; take fewer examples at a time or fewer workers (${message})` : message;
}
