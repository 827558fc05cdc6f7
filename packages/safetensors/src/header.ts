import type { Dtype } from './format';
import { dtypes } from './format';
import { otherFormat } from './other-formats';

/** The reference implementation's bound on the header, in bytes. */
const MAX_HEADER = 100_000_000;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Names and values of the file as a message shows them: on one line, and not too long. */
const show = (text: string) => (text.length > 60 ? `${JSON.stringify(text.slice(0, 60))}…` : JSON.stringify(text));
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Where a tensor's bytes lie. */
export interface Entry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** From the beginning of the data on, in bytes. */
  readonly start: number;
  readonly end: number;
}

/** A file's own account of its data, checked. */
export interface Header {
  readonly metadata: Record<string, string>;
  readonly entries: readonly Entry[];
  /** Where the data begin, in bytes. */
  readonly data: number;
}

const fail = (what: string): never => {
  throw new Error(`safetensors: ${what}`);
};

/**
 * How many bytes of a file its header has, with the 8 that say so.
 * @param bytes the first 200 of a file, or more
 * @param size bytes of the file
 * @throws Error in one line that says what is wrong: another format, a file that is cut off
 */
export function headerSize(bytes: Uint8Array, size: number): number {
  /** The fault of the header, unless it is that of another format. */
  const failHeader = (what: string) => fail(otherFormat(bytes) ?? what);
  if (size < 8) failHeader(`the file has ${size} bytes, fewer than the 8 of its header length; it is cut off`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER)
    failHeader(
      `the header is said to have ${length} bytes; at most ${MAX_HEADER} are allowed; this is no safetensors file`,
    );
  if (length > size - 8)
    failHeader(`the header is said to have ${length} bytes, but only ${size - 8} follow; the file is cut off`);
  return 8 + length;
}

/**
 * A file's header.
 * @param bytes those of `headerSize`, or more
 * @param size bytes of the file
 * @throws Error in one line that says what is wrong
 */
export function readHeader(bytes: Uint8Array, size: number): Header {
  const data = headerSize(bytes, size);
  const length = size - data;
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, data)));
  } catch {
    fail(otherFormat(bytes) ?? 'the header is not JSON');
  }
  if (!isRecord(header)) return fail('the header is not a JSON object');

  const metadata: Record<string, string> = {};
  const entries: Entry[] = [];
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
    if (start > end || end > length) {
      return fail(
        `${who} lies at bytes ${start} … ${end}, outside the ${length} bytes of data${start <= end ? '; the file is cut off' : ''}`,
      );
    }
    const expected = shape.reduce((product, dimension) => product * dimension, dtypes[dtype as Dtype].size);
    if (expected !== end - start) {
      const sizes = shape.length > 8 ? `${shape.slice(0, 8).join(', ')}, …` : shape.join(', ');
      return fail(`${who} of ${dtype} [${sizes}] needs ${expected} bytes, but its data_offsets span ${end - start}`);
    }
    entries.push({ name, dtype: dtype as Dtype, shape, start, end });
  }

  let reached = 0;
  for (const { name, start, end } of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (start !== reached) {
      fail(
        `tensor ${show(name)} starts at byte ${start}, where ${reached} is due: its data overlaps another's or leaves a hole`,
      );
    }
    reached = end;
  }
  if (reached !== length) fail(`${length - reached} bytes of data belong to no tensor`);

  return { metadata, entries, data };
}
