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

/** An object as Python writes it. */
export function pythonJson(value: Readonly<Record<string, unknown>>): string {
  const infinite = (_: string, one: unknown) => (one === Infinity || one === -Infinity ? `\u0000${one}` : one);
  return `${JSON.stringify(value, infinite, 2).replace(/"\\u0000(-?Infinity)"/g, '$1')}\n`;
}
