import type { Safetensors, StoredTensor } from '@ddpm/safetensors';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { z } from 'zod';

const referenceSchema = z.strictObject({
  name: z.string().min(1),
  options: z.record(z.string(), z.json()),
  folder: z.string().optional(),
});

/**
 * A network by the name of its package (`@ddpm/unet`) or file (`./my-network.mjs`), with the options, JSON, that its
 * default export takes.
 * For a file with a relative name there is the folder that it is named from, relative to the run folder, so that both
 * can move together.
 * @useDeclaredType
 */
export type NetworkReference = z.infer<typeof referenceSchema>;

const networksSchema = z.record(z.string(), referenceSchema);
const recordSchema = z.record(z.string(), z.json());

/**
 * A JSON object.
 * @useDeclaredType
 */
export type JsonObject = z.infer<typeof recordSchema>;

/** All that a checkpoint holds. */
export interface Checkpoint {
  /**
   * How to rebuild each network, by its part in the model: `denoiser`; `encoder` and `decoder`. None where a program
   * makes its own.
   */
  readonly networks: Readonly<Record<string, NetworkReference>>;
  /**
   * The meaning of the networks: for a denoiser the images' shape, its parameterisation and its levels. See
   * `@ddpm/models`.
   */
  readonly meaning: JsonObject;
  /** Steps trained. */
  readonly step: number;
  /** The settings of the run; a run is resumed with them. */
  readonly settings: JsonObject;
  /**
   * The weights to use the model with, by network and the path of the variable: `denoiser.initConv.weight`. Where one's
   * dtype is F16, it is written in half as many bytes.
   */
  readonly weights: ReadonlyMap<string, StoredTensor<Float32Array>>;
  /** Whatever was measured of the data and not learned, by name, such as the moments of a prior; nothing by default. */
  readonly measured?: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  /** Whatever else training needs to go on, by name. */
  readonly state: ReadonlyMap<string, Float32Array | Float64Array | Int32Array>;
}

const FORMAT = 'ddpm-checkpoint-2';
/** In the place of the checksum while it is computed. */
const BLANK = '0'.repeat(64);

/** A checkpoint as safetensors: tensors and JSON, nothing that could be executed, and a SHA-256 of it all. */
export async function encodeCheckpoint({
  networks,
  meaning,
  step,
  settings,
  weights,
  measured = new Map(),
  state,
}: Checkpoint): Promise<Uint8Array> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights) tensors.set(`weights/${name}`, tensor);
  for (const [name, tensor] of measured) tensors.set(`measured/${name}`, tensor);
  for (const [name, data] of state) tensors.set(`state/${name}`, { shape: [data.length], data });
  const bytes = writeSafetensors(tensors, {
    format: FORMAT,
    networks: JSON.stringify(networks),
    meaning: JSON.stringify(meaning),
    step: String(step),
    settings: JSON.stringify(settings),
    sha256: BLANK,
  });
  bytes.set(new TextEncoder().encode(await checksum(bytes)), digitsIn(bytes));
  return bytes;
}

/**
 * Reads a checkpoint.
 * @param file what `readSafetensors` made of the bytes, where that has been done already
 * @throws Error in one line that says what is wrong: damage anywhere in the bytes is found by their SHA-256
 */
export async function decodeCheckpoint(bytes: Uint8Array, file?: Safetensors): Promise<Checkpoint> {
  try {
    return await decoded(bytes, file ?? readSafetensors(bytes));
  } catch (error) {
    throw new Error(oneLine((error as Error).message), { cause: error });
  }
}

async function decoded(bytes: Uint8Array, { tensors, metadata }: Safetensors): Promise<Checkpoint> {
  if (metadata.format !== FORMAT) throw new Error(`its metadata should say format ${FORMAT}, not ${metadata.format}`);
  const step = Number(metadata.step);
  if (!/^\d+$/.test(metadata.step ?? '') || !Number.isSafeInteger(step))
    throw new Error(`its step is ${metadata.step}`);
  const weights = new Map<string, StoredTensor<Float32Array>>();
  const measured = new Map<string, StoredTensor<Float32Array>>();
  const state = new Map<string, Float32Array | Float64Array | Int32Array>();
  for (const [key, { shape, data }] of tensors) {
    const [, kind, name] = /^([^/]*)\/(.*)$/s.exec(key) ?? [];
    if (kind === 'weights' && data instanceof Float32Array) weights.set(name, { shape, data });
    else if (kind === 'measured' && data instanceof Float32Array) measured.set(name, { shape, data });
    else if (
      kind === 'state' &&
      (data instanceof Float32Array || data instanceof Float64Array || data instanceof Int32Array)
    )
      state.set(name, data);
    else throw new Error(`the tensor ${JSON.stringify(key)} has no place in it`);
  }
  const networks = parsed('networks', networksSchema, metadata.networks);
  const meaning = parsed('meaning', recordSchema, metadata.meaning);
  const settings = parsed('settings', recordSchema, metadata.settings);
  if (metadata.sha256 !== (await checksum(bytes))) throw new Error('its contents do not match its checksum');
  return { networks, meaning, step, settings, weights, ...(measured.size > 0 && { measured }), state };
}

/** Where the header ends and the tensors' data begins. */
const dataStart = (bytes: Uint8Array) => 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));

/** Where the digits of the checksum lie; −1 if nowhere. */
function digitsIn(bytes: Uint8Array): number {
  // As many characters as bytes. Quotes within other entries are escaped, so that it is found nowhere else.
  const header = new TextDecoder('latin1').decode(bytes.subarray(0, dataStart(bytes)));
  const [found] = /"sha256":"[0-9a-f]{64}"/.exec(header) ?? [];
  return found === undefined ? -1 : header.indexOf(found) + '"sha256":"'.length;
}

/** Bytes that are hashed at a time, since each time takes a copy of them. */
const CHUNK = 2 ** 22;

/**
 * SHA-256 over those of the header, its checksum left blank, and of the data in chunks, so that damage is found
 * wherever it lies.
 */
async function checksum(bytes: Uint8Array): Promise<string> {
  const sha256 = async (data: Uint8Array) => new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  const start = dataStart(bytes);
  const header = bytes.slice(0, start);
  const digits = digitsIn(bytes);
  if (digits >= 0) header.set(new TextEncoder().encode(BLANK), digits);
  const digests = [await sha256(header)];
  for (let at = start; at < bytes.length; at += CHUNK) digests.push(await sha256(bytes.subarray(at, at + CHUNK)));
  const all = new Uint8Array(32 * digests.length);
  digests.forEach((digest, i) => all.set(digest, 32 * i));
  return Array.from(await sha256(all), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The JSON value of a metadata entry. */
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

/** A message may quote the file: on one line, and not too long. */
function oneLine(message: string): string {
  const line = message.replace(/\s+/g, ' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
