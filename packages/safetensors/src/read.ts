import type { Dtype, StoredTensor } from './format';
import { dtypes } from './format';
import { otherFormat } from './other-formats';

/** The tensors and metadata of a safetensors file. */
export interface Safetensors {
  /** By name, each with the dtype that the file says. */
  readonly tensors: Map<string, StoredTensor & { readonly dtype: Dtype }>;
  /** The file's `__metadata__`: strings by name. */
  readonly metadata: Record<string, string>;
}

/** The reference implementation's bound on the header, in bytes. */
const MAX_HEADER = 100_000_000;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Names and values of the file as a message shows them: on one line, and not too long. */
const show = (text: string) => (text.length > 60 ? `${JSON.stringify(text.slice(0, 60))}…` : JSON.stringify(text));
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/**
 * Reads a safetensors file: a u64 header length, a JSON header `{ name: { dtype, shape, data_offsets } }`, and the raw
 * little-endian data.
 * Nothing in the file is executed, and no more is allocated than the file has bytes, but twice as much for the dtypes
 * F16 and BF16.
 * @throws Error in one line that says what is wrong: another format, which is named where it is known, a truncated
 * file, a header that is not JSON of this form, a dtype that is not known,
 *   offsets that overlap, leave holes, go past the end or do not match the shape.
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const fail = (what: string): never => {
    throw new Error(`safetensors: ${what}`);
  };
  /** The fault of the header, unless it is that of another format. */
  const failHeader = (what: string) => fail(otherFormat(bytes) ?? what);
  if (bytes.length < 8)
    failHeader(`the file has ${bytes.length} bytes, fewer than the 8 of its header length; it is cut off`);
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (headerLength > MAX_HEADER)
    failHeader(
      `the header is said to have ${headerLength} bytes; at most ${MAX_HEADER} are allowed; this is no safetensors file`,
    );
  if (headerLength > bytes.length - 8)
    failHeader(
      `the header is said to have ${headerLength} bytes, but only ${bytes.length - 8} follow; the file is cut off`,
    );

  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + headerLength)));
  } catch {
    failHeader('the header is not JSON');
  }
  if (!isRecord(header)) return fail('the header is not a JSON object');

  const metadata: Record<string, string> = {};
  const tensors: Safetensors['tensors'] = new Map();
  const spans: { name: string; dtype: Dtype; shape: number[]; start: number; end: number }[] = [];
  // A plain view: the slice of a Buffer would share its memory.
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + 8 + headerLength, bytes.length - 8 - headerLength);
  for (const [name, entry] of Object.entries(header)) {
    if (!isRecord(entry)) return fail(`the entry of ${show(name)} is not an object`);
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(entry)) {
        if (typeof value !== 'string') return fail(`the metadata of ${show(key)} is not a string`);
        // Assignment would treat the key __proto__ in its own way.
        Object.defineProperty(metadata, key, { value, enumerable: true, configurable: true, writable: true });
      }
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = entry;
    const who = `tensor ${show(name)}`;
    if (typeof dtype !== 'string') return fail(`${who} has no dtype`);
    if (!Object.hasOwn(dtypes, dtype))
      return fail(`${who} has dtype ${show(dtype)}; known are ${Object.keys(dtypes).join(', ')}`);
    if (!Array.isArray(shape) || !shape.every(isSize)) return fail(`${who} has no shape of whole numbers`);
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
      return fail(`${who} has no pair of data_offsets`);
    const [start, end] = offsets;
    if (start > end || end > data.length) {
      return fail(
        `${who} lies at bytes ${start} … ${end}, outside the ${data.length} bytes of data${start <= end ? '; the file is cut off' : ''}`,
      );
    }
    const expected = shape.reduce((product, dimension) => product * dimension, dtypes[dtype as Dtype].size);
    if (expected !== end - start) {
      const sizes = shape.length > 8 ? `${shape.slice(0, 8).join(', ')}, …` : shape.join(', ');
      return fail(`${who} of ${dtype} [${sizes}] needs ${expected} bytes, but its data_offsets span ${end - start}`);
    }
    spans.push({ name, dtype: dtype as Dtype, shape, start, end });
  }

  let reached = 0;
  for (const { name, start, end } of [...spans].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (start !== reached) {
      fail(
        `tensor ${show(name)} starts at byte ${start}, where ${reached} is due: its data overlaps another's or leaves a hole`,
      );
    }
    reached = end;
  }
  if (reached !== data.length) fail(`${data.length - reached} bytes of data belong to no tensor`);

  // Only now that no byte belongs to two of them, so that all of them together are not larger than the file.
  for (const { name, dtype, shape, start, end } of spans) {
    tensors.set(name, { dtype, shape, data: dtypes[dtype].read(data.slice(start, end).buffer) });
  }
  return { tensors, metadata };
}
