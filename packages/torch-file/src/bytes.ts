/** A file's bytes, of which parts are asked for: a Uint8Array is one, and so is what `fileBytes` makes of a path. */
export interface Bytes {
  readonly length: number;
  /** The bytes from `start` to before `end`. */
  subarray(start: number, end: number): Uint8Array;
}

/** @throws Error in one line, with what reads the file before it. */
export function fail(what: string): never {
  throw new Error(`torch-file: ${what}`);
}

/** A name from the file as a message shows it: on one line, and not too long. */
export const show = (text: string): string =>
  text.length > 60 ? `${JSON.stringify(text.slice(0, 60))}…` : JSON.stringify(text);

export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** A u64 as a number; one that no file's length reaches becomes some other large number. */
export const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));
