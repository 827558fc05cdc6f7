/**
 * Element types of the format, each with what its bytes become. F16 and BF16 are widened to float32, which holds them
 * exactly.
 */
export const dtypes = {
  F64: { size: 8, read: (bytes: ArrayBuffer) => new Float64Array(bytes) },
  I64: { size: 8, read: (bytes: ArrayBuffer) => new BigInt64Array(bytes) },
  U64: { size: 8, read: (bytes: ArrayBuffer) => new BigUint64Array(bytes) },
  F32: { size: 4, read: (bytes: ArrayBuffer) => new Float32Array(bytes) },
  I32: { size: 4, read: (bytes: ArrayBuffer) => new Int32Array(bytes) },
  U32: { size: 4, read: (bytes: ArrayBuffer) => new Uint32Array(bytes) },
  F16: { size: 2, read: (bytes: ArrayBuffer) => Float32Array.from(new Uint16Array(bytes), float16) },
  BF16: {
    size: 2,
    read: (bytes: ArrayBuffer) =>
      new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer),
  },
  I16: { size: 2, read: (bytes: ArrayBuffer) => new Int16Array(bytes) },
  U16: { size: 2, read: (bytes: ArrayBuffer) => new Uint16Array(bytes) },
  I8: { size: 1, read: (bytes: ArrayBuffer) => new Int8Array(bytes) },
  U8: { size: 1, read: (bytes: ArrayBuffer) => new Uint8Array(bytes) },
  BOOL: { size: 1, read: (bytes: ArrayBuffer) => new Uint8Array(bytes) },
} as const;

/**
 * An element type, by the format's name.
 * @useDeclaredType
 */
export type Dtype = keyof typeof dtypes;
/** The typed arrays that hold tensors. */
export type TensorData =
  | (Float64Array | Float32Array)
  | (BigInt64Array | BigUint64Array)
  | (Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array);

/** A tensor as the format knows it: row-major data of the given shape. */
export interface StoredTensor<Data extends TensorData = TensorData> {
  /** Sizes of the axes; empty for a single number. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Data;
}

/** The value of an IEEE 754 half-precision number, given its bits. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
