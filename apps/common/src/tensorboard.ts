import { appendFileSync, closeSync, ftruncateSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { reason } from '@ddpm/checkpoint';
import { crc32c } from './crc32c';

/** Writes what TensorBoard shows. */
export interface EventWriter {
  /** The file that it writes. */
  readonly path: string;
  scalar(tag: string, step: number, value: number): void;
  image(
    tag: string,
    step: number,
    image: { readonly png: Uint8Array; readonly width: number; readonly height: number },
  ): void;
  close(): void;
}

const PREFIX = 'events.out.tfevents.';

/**
 * A new event file in the folder, which is made if need be. A process that resumes a run makes its own file beside the
 * earlier ones;
 * with `step`, TensorBoard then drops what those say of it and later, since that was trained again.
 * @param options.step the first step that will be written; left out where nothing that was written is to be dropped
 * @param options.now the time in milliseconds
 * @throws Error in one line, from every method, if the file cannot be written; it then ends with the last event that
 * was written whole
 */
export function createEventWriter(
  folder: string,
  { step: first, now = Date.now }: { step?: number; now?: () => number } = {},
): EventWriter {
  let path = folder;
  /** Bytes written whole. */
  let length = 0;
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new Error(`${path} cannot be written: ${reason(error)}`, { cause: error });
    }
  };
  const file = attempt(() => {
    mkdirSync(folder, { recursive: true });
    // TensorBoard reads the files in order of name, so a later one needs a later time.
    let seconds = Math.floor(now() / 1000);
    for (const name of readdirSync(folder)) {
      if (name.startsWith(PREFIX))
        seconds = Math.max(seconds, (Number.parseInt(name.slice(PREFIX.length), 10) || 0) + 1);
    }
    path = join(
      folder,
      `${PREFIX}${String(seconds).padStart(10, '0')}.${hostname().replace(/[^\w-]/g, '_')}.${process.pid}.0`,
    );
    return openSync(path, 'ax');
  });
  const append = (...content: Uint8Array[]) => {
    const bytes = record(Buffer.concat([double(1, now() / 1000), ...content]));
    attempt(() => {
      try {
        appendFileSync(file, bytes);
      } catch (error) {
        // Half an event in the middle would end the reading of all that follows.
        ftruncateSync(file, length);
        throw error;
      }
      length += bytes.length;
    });
  };
  /** An event of one summary value, as summary.proto numbers its fields. */
  const summary = (tag: string, step: number, value: Uint8Array) =>
    append(integer(2, step), nested(5, nested(1, Buffer.concat([nested(1, Buffer.from(tag)), value]))));

  append(nested(3, Buffer.from('brain.Event:2')));
  if (first !== undefined) append(integer(2, first), nested(7, integer(1, 1))); // SessionLog.START
  return {
    path,
    scalar: (tag, step, value) => summary(tag, step, float(2, value)),
    image: (tag, step, { png, width, height }) =>
      summary(tag, step, nested(4, Buffer.concat([integer(1, height), integer(2, width), nested(4, png)]))),
    close: () => closeSync(file),
  };
}

/** A TFRecord: length, its masked checksum, data, its masked checksum. */
function record(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(data.length + 16);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(masked(crc32c(bytes.subarray(0, 8))), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return bytes;
}

const masked = (crc: number) => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

// Fields of protocol buffers; an event needs no more than these four kinds.

function integer(field: number, value: number): Buffer {
  return Buffer.from([...varint(field << 3), ...varint(value)]);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9, (field << 3) | 1);
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(5, (field << 3) | 5);
  bytes.writeFloatLE(value, 1);
  return bytes;
}

function nested(field: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(content.length)]), content]);
}

function varint(value: number): number[] {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}
