import { readFile } from 'node:fs/promises';
import { reason } from '@ddpm/checkpoint';
import type { JsonObject } from '@ddpm/checkpoint';

/**
 * A JSON object that Python wrote, which has numbers that JSON has not: Infinity and −Infinity.
 * @throws Error in one line that names the file
 */
export async function readJson(path: string): Promise<JsonObject> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  });
  let value: unknown;
  try {
    // What is in quotes stays; 1e999 is infinite.
    value = JSON.parse(
      text.replace(/"(?:[^"\\]|\\.)*"|Infinity/g, (token) => (token === 'Infinity' ? '1e999' : token)),
    );
  } catch (error) {
    throw new Error(`${path} is no JSON: ${(error as Error).message.split('\n', 1)[0]}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${path} should hold an object, and holds ${JSON.stringify(value).slice(0, 40)}`);
  return value as JsonObject;
}

/**
 * An object as Python writes it.
 * @param floats keys whose numbers are floating-point ones, which JavaScript does not tell from others where they are whole
 */
export function pythonJson(value: Readonly<Record<string, unknown>>, floats: readonly string[] = []): string {
  const verbatim = (key: string, one: unknown) => {
    if (one === Infinity || one === -Infinity) return `\u0000${one}`;
    return Number.isInteger(one) && floats.includes(key) ? `\u0000${one as number}.0` : one;
  };
  return `${JSON.stringify(value, verbatim, 2).replace(/"\\u0000([^"]*)"/g, '$1')}\n`;
}
