/** Features of images, one row each: what a network that knows such images makes of them. */
export interface Features {
  /** [n, width], row-major. */
  readonly data: Float32Array | Float64Array;
  /** Numbers in a row. */
  readonly width: number;
}

/**
 * How many rows there are.
 * @param who what the error begins with
 * @throws RangeError unless they are whole, at least `least`, and finite
 */
export function checkFeatures(who: string, { data, width }: Features, least = 1): number {
  if (!Number.isSafeInteger(width) || width < 1)
    throw new RangeError(`${who}: the width of features must be a whole number of at least 1, got ${width}`);
  const n = data.length / width;
  if (!Number.isInteger(n))
    throw new RangeError(`${who}: ${data.length} numbers are not a whole number of rows of ${width}`);
  if (n < least) throw new RangeError(`${who}: needs the features of at least ${least} images, got those of ${n}`);
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new RangeError(
      `${who}: features must be finite, but row ${Math.floor(at / width)} has ${data[at]} at ${at % width}`,
    );
  return n;
}

/** @throws RangeError unless both have rows of one width */
export function checkWidths(who: string, a: number, b: number): void {
  if (a !== b) throw new RangeError(`${who}: expected features of one width, got ${a} and ${b}`);
}
