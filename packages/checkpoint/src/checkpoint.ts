import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Safetensors, StoredTensor } from '@ddpm/safetensors';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { z } from 'zod';
import { reason, writeFileAtomic } from './write-file-atomic';

const size = z.int().positive();

const modelSchema = z.strictObject({
  /** A `NetworkReference`. */
  network: z.strictObject({ name: z.string().min(1), options: z.record(z.string(), z.json()), folder: z.string().optional() }),
  /** [h, w, c]. */
  imageShape: z.tuple([size, size, size]),
  /** What the network predicts. */
  objective: z.enum(['epsilon', 'xStart', 'velocity']),
});

/**
 * All that is needed, beside the weights and β, to rebuild a model: the network's package or file and the options that its default export
 * was called with (a `NetworkReference`), the images' shape [h, w, c], and what the network predicts.
 * @useDeclaredType
 */
export type ModelDescription = z.infer<typeof modelSchema>;

/** All that a checkpoint holds. */
export interface Checkpoint {
  /** How to rebuild the network. */
  readonly model: ModelDescription;
  /** β_t of the noise schedule. */
  readonly betas: Float64Array;
  /** Steps trained. */
  readonly step: number;
  /** The settings of the run, as JSON; a run is resumed with them. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The weights by the path of their variable. */
  readonly parameters: ReadonlyMap<string, StoredTensor<Float32Array>>;
  /** Whatever else training needs to go on, by name. */
  readonly state: ReadonlyMap<string, Float32Array>;
}

const FORMAT = 'ddpm-checkpoint-1';

/**
 * Writes a checkpoint, atomically, as safetensors: tensors and JSON, nothing that could be executed, and a SHA-256 of it all.
 * @param checkpoint what to write
 * @throws Error in one line that names the file and the reason; what the file held before stays.
 */
export async function writeCheckpoint(path: string, { model, betas, step, settings, parameters, state }: Checkpoint): Promise<void> {
  const tensors = new Map<string, StoredTensor>([['schedule/betas', { shape: [betas.length], data: betas }]]);
  for (const [name, tensor] of parameters) tensors.set(`parameters/${name}`, tensor);
  for (const [name, data] of state) tensors.set(`state/${name}`, { shape: [data.length], data });
  const metadata = { format: FORMAT, model: JSON.stringify(model), step: String(step), settings: JSON.stringify(settings) };
  await writeFileAtomic(path, writeSafetensors(tensors, { ...metadata, sha256: checksum(tensors, metadata) }));
}

/** SHA-256 over what a checkpoint says and holds, so that damage is found wherever it lies. */
function checksum(tensors: ReadonlyMap<string, StoredTensor>, { model, step, settings }: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256').update(JSON.stringify([model, step, settings]));
  for (const name of [...tensors.keys()].sort()) {
    const { shape, data } = tensors.get(name)!;
    hash.update(JSON.stringify([name, shape])).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/**
 * Reads a checkpoint.
 * @throws Error in one line that names the file and what is wrong with it: damage anywhere in it is found by its SHA-256.
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
  try {
    return checkpointFrom(readSafetensors(bytes));
  } catch (error) {
    throw new Error(`${path} is not a usable checkpoint: ${oneLine((error as Error).message)}`, { cause: error });
  }
}

/** A message may quote the file: on one line, and not too long. */
function oneLine(message: string): string {
  const line = message.replace(/\s+/g, ' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

/**
 * The checkpoint that a safetensors file holds.
 * @param file as `readSafetensors` gives it; a checkpoint's `metadata.format` begins with `ddpm-`
 * @throws Error that says what is wrong with it
 */
export function checkpointFrom({ tensors, metadata }: Safetensors): Checkpoint {
  if (metadata.format !== FORMAT) throw new Error(`its metadata should say format ${FORMAT}, not ${metadata.format}`);
  const step = Number(metadata.step);
  if (!/^\d+$/.test(metadata.step ?? '') || !Number.isSafeInteger(step)) throw new Error(`its step is ${metadata.step}`);

  const parameters = new Map<string, StoredTensor<Float32Array>>();
  const state = new Map<string, Float32Array>();
  let betas: Float64Array | undefined;
  for (const [key, { shape, data }] of tensors) {
    const [, kind, name] = /^([^/]*)\/(.*)$/s.exec(key) ?? [];
    if (key === 'schedule/betas' && data instanceof Float64Array) betas = data;
    else if (kind === 'parameters' && data instanceof Float32Array) parameters.set(name, { shape, data });
    else if (kind === 'state' && data instanceof Float32Array) state.set(name, data);
    else throw new Error(`the tensor ${JSON.stringify(key)} has no place in it`);
  }
  if (!betas) throw new Error('the tensor "schedule/betas" is missing');
  const model = parsed('model', modelSchema, metadata.model);
  const settings = parsed('settings', z.record(z.string(), z.unknown()), metadata.settings);
  if (metadata.sha256 !== checksum(tensors, metadata)) throw new Error('its contents do not match its checksum');
  return { model, betas, step, settings, parameters, state };
}

/** What a metadata entry holds as JSON. */
function parsed<T>(name: string, schema: z.ZodType<T>, text: string | undefined): T {
  let json: unknown;
  try {
    json = JSON.parse(text ?? '');
  } catch {
    throw new Error(`its ${name} is not JSON`);
  }
  let result: z.ZodSafeParseResult<T>;
  try {
    result = schema.safeParse(json);
  } catch {
    throw new Error(`its ${name} nests too deep`);
  }
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  throw new Error(`its ${[name, ...path].join('.')} is not as expected: ${message}`);
}
