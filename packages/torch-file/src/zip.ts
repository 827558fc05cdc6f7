import type { Bytes } from './bytes';
import { fail, show, u64, viewOf } from './bytes';

/** Where an entry's content lies in the file. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const END = 0x06054b50;
const END_LENGTH = 22;
const MAX_COMMENT = 0xffff;
const LOCATOR_64 = 0x07064b50;
const LOCATOR_64_LENGTH = 20;
const END_64 = 0x06064b50;
const END_64_LENGTH = 56;
const ENTRY = 0x02014b50;
const ENTRY_LENGTH = 46;
const LOCAL = 0x04034b50;
const LOCAL_LENGTH = 30;
/** Stands where the number is in the entry's ZIP64 field. */
const IN_EXTRA = 0xffffffff;
const ENCRYPTED = 1;

const utf8 = new TextDecoder();

/**
 * The entries of a zip archive in which nothing is compressed, as torch.save writes them, by name (APPNOTE.TXT 6.3.10,
 * with ZIP64). Their checksums are not looked at: PyTorch may leave them out, and does not look at them either.
 * @throws Error if the archive is cut off, compressed or encrypted, or its entries overlap
 */
export function zipEntries(bytes: Bytes): Map<string, Span> {
  const part = (start: number, length: number): DataView => {
    if (!(start >= 0 && start + length <= bytes.length)) {
      fail(`the archive speaks of bytes ${start} … ${start + length}, and has ${bytes.length}; the file is damaged`);
    }
    return viewOf(bytes.subarray(start, start + length));
  };
  const { start, length } = directory(bytes, part);
  const view = part(start, length);
  const entries = new Map<string, Span>();
  for (let at = 0; at < length;) {
    if (at + ENTRY_LENGTH > length || view.getUint32(at, true) !== ENTRY) {
      fail(`entry ${entries.size} of the archive's directory is damaged`);
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const next = at + ENTRY_LENGTH + nameLength + extraLength + commentLength;
    if (next > length) fail(`entry ${entries.size} of the archive's directory is cut off`);
    const name = utf8.decode(new Uint8Array(view.buffer, view.byteOffset + at + ENTRY_LENGTH, nameLength));
    const method = view.getUint16(at + 10, true);
    if (method !== 0) fail(`${show(name)} is compressed (method ${method}); torch.save does not compress`);
    if (view.getUint16(at + 8, true) & ENCRYPTED) fail(`${show(name)} is encrypted`);
    const [size, local] = sizeAndPlace(view, at, ENTRY_LENGTH + nameLength, extraLength);
    const header = part(local, LOCAL_LENGTH);
    if (header.getUint32(0, true) !== LOCAL) fail(`${show(name)} does not lie where the archive's directory says`);
    const content = local + LOCAL_LENGTH + header.getUint16(26, true) + header.getUint16(28, true);
    if (!(content + size <= start)) fail(`${show(name)} of ${size} bytes goes past the archive's end`);
    if (entries.has(name)) fail(`the archive has two entries ${show(name)}`);
    entries.set(name, { start: content, end: content + size });
    at = next;
  }
  let [reached, before] = [0, ''];
  for (const [name, span] of [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (span.start < reached) fail(`${show(before)} and ${show(name)} overlap in the archive`);
    [reached, before] = [span.end, name];
  }
  return entries;
}

/** Where the directory lies. */
function directory(bytes: Bytes, part: (start: number, length: number) => DataView): { start: number; length: number } {
  const tailStart = Math.max(0, bytes.length - END_LENGTH - MAX_COMMENT);
  const tail = viewOf(bytes.subarray(tailStart, bytes.length));
  let at = tail.byteLength - END_LENGTH;
  const isEnd = () => tail.getUint32(at, true) === END && at + END_LENGTH + tail.getUint16(at + 20, true);
  while (at >= 0 && isEnd() !== tail.byteLength) at--;
  if (at < 0) fail('the archive has no end; the file is cut off');
  const ended = tailStart + at;
  if (at >= LOCATOR_64_LENGTH && tail.getUint32(at - LOCATOR_64_LENGTH, true) === LOCATOR_64) {
    const end = part(u64(tail, at - LOCATOR_64_LENGTH + 8), END_64_LENGTH);
    if (end.getUint32(0, true) !== END_64) fail("the archive's end (ZIP64) is damaged");
    return within(u64(end, 48), u64(end, 40), ended);
  }
  return within(tail.getUint32(at + 16, true), tail.getUint32(at + 12, true), ended);
}

function within(start: number, length: number, end: number): { start: number; length: number } {
  if (!(start + length <= end)) {
    fail(`the archive's directory is said to have ${length} bytes from byte ${start}, before byte ${end}`);
  }
  return { start, length };
}

/** An entry's size, and where its own header is. Sizes that do not fit into 32 bits are in the ZIP64 extra field. */
function sizeAndPlace(view: DataView, at: number, extraStart: number, extraLength: number): [number, number] {
  const fields = [24, 20, 42].map((field) => view.getUint32(at + field, true));
  const end = at + extraStart + extraLength;
  for (let extra = at + extraStart; extra + 4 <= end; extra += 4 + view.getUint16(extra + 2, true)) {
    if (view.getUint16(extra, true) !== 1) continue;
    let value = extra + 4;
    const valuesEnd = Math.min(end, value + view.getUint16(extra + 2, true));
    fields.forEach((field, i) => {
      if (field !== IN_EXTRA || value + 8 > valuesEnd) return;
      fields[i] = u64(view, value);
      value += 8;
    });
  }
  return [fields[0], fields[2]];
}
