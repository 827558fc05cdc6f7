import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { reason } from '@ddpm/checkpoint';
import type { StoredValues } from '@ddpm/layers';
import { openSafetensors } from '@ddpm/safetensors/file';
import { readTorchFile, stateDict } from '@ddpm/torch-file';
import { readJson } from './json';

/** Files of a model's weights: its name before `.safetensors` and before `.bin`. */
interface Names {
  readonly safetensors: string;
  readonly bin: string;
}
/** As diffusers names them, and transformers. */
export const weightNames = {
  diffusers: { safetensors: 'diffusion_pytorch_model', bin: 'diffusion_pytorch_model' },
  transformers: { safetensors: 'model', bin: 'pytorch_model' },
} as const satisfies Readonly<Record<string, Names>>;

/** A model's weights by PyTorch's names, in PyTorch's layout. */
export type Weights = Map<string, StoredValues>;

/**
 * A model's weights, as float32: of `diffusion_pytorch_model.safetensors`, of the parts that its `.index.json` names, or
 * the same as `.bin`. Where there are none of these names, of their variants (`.fp16.safetensors`). Those of safetensors
 * stay in their file until they are asked for.
 * @throws Error in one line that names the file, or the folder if it has none
 */
export async function readWeights(folder: string, names: Names = weightNames.diffusers): Promise<Weights> {
  for (const variant of ['', ...(await variants(folder, names))])
    for (const ending of ['safetensors', 'bin'] as const) {
      const file = join(folder, `${names[ending]}${variant}.${ending}`);
      if (existsSync(file)) return read(file);
      const index = join(folder, `${names[ending]}.${ending}.index${variant}.json`);
      if (existsSync(index)) return readParts(folder, index);
    }
  throw new Error(
    `${folder} has no weights: there is no ${names.safetensors}.safetensors, nor ${names.bin === names.safetensors ? '' : names.bin}.bin, nor an index of parts`,
  );
}

/** Like `.fp16`, which stands after the name, or in that of an index. */
async function variants(folder: string, names: Names): Promise<string[]> {
  const files = await readdir(folder).catch((error: unknown) => {
    throw new Error(`${folder} cannot be read: ${reason(error)}`, { cause: error });
  });
  const found = (['safetensors', 'bin'] as const).flatMap((ending) => {
    const plain = new RegExp(`^${names[ending]}(\\.\\w+)\\.${ending}$`);
    const index = new RegExp(`^${names[ending]}\\.${ending}\\.index(\\.\\w+)\\.json$`);
    return files.flatMap((name) => plain.exec(name)?.[1] ?? index.exec(name)?.[1] ?? []);
  });
  return [...new Set(found)].sort();
}

/** The parts that an index names, each of which must hold what is said of it. */
async function readParts(folder: string, index: string): Promise<Weights> {
  const { weight_map: places } = (await readJson(index)) as { weight_map?: Record<string, unknown> };
  if (typeof places !== 'object' || places === null) throw new Error(`${index} has no weight_map`);
  const files = [...new Set(Object.values(places))];
  const strange = files.find((file) => typeof file !== 'string' || file !== basename(file));
  if (strange !== undefined) throw new Error(`${index} names a part that lies elsewhere: ${JSON.stringify(strange)}`);
  const all: Weights = new Map();
  for (const name of files as string[]) {
    const file = join(folder, name);
    for (const [key, tensor] of await read(file)) {
      if (places[key] !== name) throw new Error(`${file} holds ${key}, which ${index} does not look for there`);
      all.set(key, tensor);
    }
  }
  const missing = Object.keys(places).find((key) => !all.has(key));
  if (missing !== undefined)
    throw new Error(`${index} looks for ${missing} in ${String(places[missing])}, which has it not`);
  return all;
}

async function read(file: string): Promise<Weights> {
  if (!file.endsWith('.safetensors')) {
    const bytes = await readFile(file).catch((error: unknown) => {
      throw new Error(`${file} cannot be read: ${reason(error)}`, { cause: error });
    });
    const { tensors } = named(file, () => stateDict(readTorchFile(bytes)));
    return named(file, () =>
      floats([...tensors].map(([name, { shape, data }]) => [name, { shape, read: () => data }] as const)),
    );
  }
  try {
    return floats(openSafetensors(file).tensors);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw new Error(`${file} cannot be read: ${reason(error)}`, { cause: error });
    throw new Error(`${file} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

function named<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${file} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

interface Stored {
  readonly shape: readonly number[];
  readonly dtype?: string;
  read(): unknown;
}

/** Half precision is float32 when it is read, and float64 is rounded, as it is in diffusers. */
function floats(tensors: Iterable<readonly [string, Stored]>): Weights {
  const weights: Weights = new Map();
  for (const [name, tensor] of tensors) {
    // Which position each position is: no weight, but some files have it.
    if (name.endsWith('.position_ids')) continue;
    const kind = tensor.dtype ?? (tensor.read() as Float32Array)[Symbol.toStringTag];
    if (!['F16', 'BF16', 'F32', 'F64', 'Float32Array', 'Float64Array'].includes(kind))
      throw new Error(`${name} should be of floating-point numbers`);
    const read = (): Float32Array => {
      const data = tensor.read() as Float32Array | Float64Array;
      return data instanceof Float64Array ? Float32Array.from(data) : data;
    };
    weights.set(name, { shape: tensor.shape, read });
  }
  return weights;
}
