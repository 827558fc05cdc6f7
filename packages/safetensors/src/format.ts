/** One type of elements. */
export interface ElementType {
  /** Bytes of an element. */
  readonly size: number;
  /**
   * The values of little-endian bytes: a view of them, or, of F16 and BF16, float32, which holds them exactly.
   * @param buffer where they lie
   * @param byteOffset the first byte; 0 by default
   * @param length how many values; all of the buffer by default
   */
  read(buffer: ArrayBufferLike, byteOffset?: number, length?: number): TensorData;
}

type Span = Parameters<ElementType['read']>;

const types = {
  F64: { size: 8, read: (...span: Span) => new Float64Array(...span) },
  I64: { size: 8, read: (...span: Span) => new BigInt64Array(...span) },
  U64: { size: 8, read: (...span: Span) => new BigUint64Array(...span) },
  F32: { size: 4, read: (...span: Span) => new Float32Array(...span) },
  I32: { size: 4, read: (...span: Span) => new Int32Array(...span) },
  U32: { size: 4, read: (...span: Span) => new Uint32Array(...span) },
  F16: { size: 2, read: (...span: Span) => widened(new Uint16Array(...span)) },
  BF16: { size: 2, read: (...span: Span) => shifted(new Uint16Array(...span)) },
  I16: { size: 2, read: (...span: Span) => new Int16Array(...span) },
  U16: { size: 2, read: (...span: Span) => new Uint16Array(...span) },
  I8: { size: 1, read: (...span: Span) => new Int8Array(...span) },
  U8: { size: 1, read: (...span: Span) => new Uint8Array(...span) },
  BOOL: { size: 1, read: (...span: Span) => new Uint8Array(...span) },
} as const satisfies Readonly<Record<string, ElementType>>;

/**
 * An element type, by the format's name.
 * @useDeclaredType
 */
export type Dtype = keyof typeof types;

/** The element types of the format. */
export const dtypes: Readonly<Record<Dtype, ElementType>> = types;

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
  /** How they are written; by default as the array holds them. F16 and BF16 are written of float32, to the nearest. */
  readonly dtype?: Dtype;
}

/** Every half-precision number by its bits: a look is much faster than working it out. */
let halves: Float32Array | undefined;

function widened(bits: Uint16Array): Float32Array {
  const table = (halves ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => float16(half)));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < values.length; i++) values[i] = table[bits[i]];
  return values;
}

/** bfloat16 is the upper half of float32. */
function shifted(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < words.length; i++) words[i] = bits[i] << 16;
  return new Float32Array(words.buffer);
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

/** The bytes of float32 as half-precision numbers, each the nearest, of two as near the even one. */
export function halved(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(words, (word, i) => {
    const sign = (word >>> 16) & 0x8000;
    const size = Math.abs(values[i]);
    if (Number.isNaN(size)) return sign | 0x7e00;
    if (size >= 65520) return sign | 0x7c00;
    // Below 2⁻¹⁴ they are multiples of 2⁻²⁴.
    if (size < 2 ** -14) return sign | nearestEven(size * 2 ** 24);
    const exponent = ((word >>> 23) & 0xff) - 127;
    // A fraction that is rounded up to 1 carries into the exponent, as it should.
    return sign | (((exponent + 15) << 10) + nearestEven((size / 2 ** exponent - 1) * 1024));
  });
}

/** The bytes of float32 as bfloat16, each the nearest, of two as near the even one. */
export function shortened(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(words, (word, i) =>
    Number.isNaN(values[i]) ? 0x7fc0 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16,
  );
}

function nearestEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
