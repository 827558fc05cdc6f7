import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { reason } from '@ddpm/checkpoint';
import type { TensorValues } from '@ddpm/layers';
import type { StoredTensor } from '@ddpm/safetensors';
import { readSafetensors } from '@ddpm/safetensors';
import { readTorchFile, stateDict } from '@ddpm/torch-file';
import { readJson } from './json';

const NAME = 'diffusion_pytorch_model';

/**
 * A model's weights, as float32: of `diffusion_pytorch_model.safetensors`, of the parts that its `.index.json` names, or
 * the same as `.bin`. Where there are none of these names, of their variants (`.fp16.safetensors`).
 * @throws Error in one line that names the file, or the folder if it has none
 */
export async function readWeights(folder: string): Promise<Map<string, TensorValues>> {
  for (const variant of ['', ...(await variants(folder))])
    for (const ending of ['safetensors', 'bin']) {
      const file = join(folder, `${NAME}${variant}.${ending}`);
      if (existsSync(file)) return floats(file, await read(file));
      const index = join(folder, `${NAME}.${ending}.index${variant}.json`);
      if (existsSync(index)) return readParts(folder, index);
    }
  throw new Error(`${folder} has no weights: there is no ${NAME}.safetensors, nor .bin, nor an index of parts`);
}

/** Like `.fp16`, which stands after the name, or in that of an index. */
async function variants(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new Error(`${folder} cannot be read: ${reason(error)}`, { cause: error });
  });
  const found = names.flatMap((name) => [
    ...(/^diffusion_pytorch_model(\.\w+)\.(?:safetensors|bin)$/.exec(name)?.slice(1) ?? []),
    ...(/^diffusion_pytorch_model\.(?:safetensors|bin)\.index(\.\w+)\.json$/.exec(name)?.slice(1) ?? []),
  ]);
  return [...new Set(found)].sort();
}

/** The parts that an index names, each of which must hold what is said of it. */
async function readParts(folder: string, index: string): Promise<Map<string, TensorValues>> {
  const { weight_map: places } = (await readJson(index)) as { weight_map?: Record<string, unknown> };
  if (typeof places !== 'object' || places === null) throw new Error(`${index} has no weight_map`);
  const files = [...new Set(Object.values(places))];
  const strange = files.find((file) => typeof file !== 'string' || file !== basename(file));
  if (strange !== undefined) throw new Error(`${index} names a part that lies elsewhere: ${JSON.stringify(strange)}`);
  const all = new Map<string, TensorValues>();
  for (const name of files as string[]) {
    const file = join(folder, name);
    for (const [key, tensor] of floats(file, await read(file))) {
      if (places[key] !== name) throw new Error(`${file} holds ${key}, which ${index} does not look for there`);
      all.set(key, tensor);
    }
  }
  const missing = Object.keys(places).find((key) => !all.has(key));
  if (missing !== undefined)
    throw new Error(`${index} looks for ${missing} in ${String(places[missing])}, which has it not`);
  return all;
}

async function read(file: string): Promise<ReadonlyMap<string, StoredTensor>> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new Error(`${file} cannot be read: ${reason(error)}`, { cause: error });
  });
  try {
    return file.endsWith('.safetensors') ? readSafetensors(bytes).tensors : stateDict(readTorchFile(bytes)).tensors;
  } catch (error) {
    throw new Error(`${file} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

/** Half precision has become float32 already; float64 is rounded, as it is in diffusers. */
function floats(file: string, tensors: ReadonlyMap<string, StoredTensor>): Map<string, TensorValues> {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      if (data instanceof Float32Array) return [name, { shape, data }];
      if (data instanceof Float64Array) return [name, { shape, data: Float32Array.from(data) }];
      throw new Error(`${file}: ${name} should be of floating-point numbers`);
    }),
  );
}
