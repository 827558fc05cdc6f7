/** `globalThis.process` where this runs in Node. */
const node = typeof process !== 'undefined' && process.versions?.node ? process.versions.node : undefined;

/**
 * Imports a package that only some people install. Returns why it cannot be used, as the end of a sentence that begins with its name and
 * "is" or "are"; nothing where it was imported.
 */
export async function importOptional(specifier: string): Promise<string | undefined> {
  try {
    // A variable, and the comments for bundlers: a package that is not there must not stop a bundle from being made.
    await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier);
    return undefined;
  } catch (error) {
    return whyNotImported(specifier, error as Error & { code?: string });
  }
}

/** What an error from importing a package means. */
export function whyNotImported(specifier: string, { code, message }: { code?: string; message: string }, nodeVersion = node): string {
  if (message.includes('tfjs_binding.node')) return 'installed without the native library that its install script downloads';
  const absent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || nodeVersion === undefined;
  if (absent && message.includes(specifier)) return 'not installed';
  const line = message.split('\n')[0];
  if (nodeVersion && Number.parseInt(nodeVersion) >= 23) return `unable to load on Node ${nodeVersion}, being made for 20 to 22 (${line})`;
  return `unable to load (${line})`;
}

/** Whether this runs in Node. */
export const inNode = node !== undefined;
