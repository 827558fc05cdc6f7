import { readFile } from 'node:fs/promises';
import { reason } from '@ddpm/checkpoint';
import type { AppliedLora } from '@ddpm/lora';
import { mergeLora, readLora } from '@ddpm/lora';
import { loraNames } from '@ddpm/models';
import * as tf from '@tensorflow/tfjs';

/** A file and how much of it, as `--lora` names it: `a.safetensors:0.8`. */
export function loraAsked(text: string): { readonly path: string; readonly strength: number } {
  const [, path, strength] = /^(.+):(-?\d*\.?\d+)$/.exec(text) ?? [];
  return path === undefined ? { path: text, strength: 1 } : { path, strength: Number(strength) };
}

/**
 * Adds the updates of LoRA files to a network, for good.
 * @returns one line for each, which says what it is
 * @throws Error in one line that names the file that cannot be read, or is not of this network
 */
export async function addLoras(network: object, asked: readonly string[]): Promise<string[]> {
  const [applied, lines]: [AppliedLora[], string[]] = [[], []];
  for (const { path, strength } of asked.map(loraAsked)) {
    const bytes = await readFile(path).catch((error: unknown) => {
      throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
    });
    try {
      const lora = readLora(network, bytes, loraNames(network));
      // One at a time, so that what is refused is named.
      mergeLora(network, [{ lora, strength }]);
      applied.push({ lora, strength });
      lines.push(`${path}, ${strength} of it, ${lora.size} layer${lora.size === 1 ? '' : 's'}`);
    } catch (error) {
      throw new Error(`${path} is no LoRA of this model: ${(error as Error).message}`, { cause: error });
    }
  }
  tf.dispose(applied.flatMap(({ lora }) => [...lora.values()].flatMap(({ down, up }) => [down, up])));
  return lines;
}
