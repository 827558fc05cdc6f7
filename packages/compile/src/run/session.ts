import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { DType, Shape } from '../graph';
import { sizeOf } from '../graph';
import { host, hostArray, kindOf, messageOf, ort, localArray } from './host';
import type { ProgramSpec } from '../plan/program';
import { endMarker } from '../plan/program';

// Unless told not to before its first session, ONNX Runtime sends Microsoft what it runs, and keeps an identifier in
// the home folder.
host.process.env.ORT_DISABLE_TELEMETRY ??= '1';

export type TensorData = Float32Array | Int32Array | Uint8Array;

export interface SessionOptions {
  /** Threads that one operator may use. */
  readonly threads: number;
  readonly optimization: ProgramSpec['optimization'];
  /**
   * Whether threads wait for their next piece of work asleep: where there may be more of them than processors, those
   * that spin keep others from theirs.
   */
  readonly sleep?: boolean;
}

export function openSession(
  model: Uint8Array,
  { threads, optimization, sleep = false }: SessionOptions,
): Promise<InferenceSession> {
  return ort.InferenceSession.create(hostArray(model), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: optimization,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: sleep ? '0' : '1' } } },
    executionMode: 'sequential',
    // Otherwise ORT keeps what a first run took, and a second time as much in one piece.
    enableMemPattern: false,
    // What goes wrong is thrown; it need not be printed as well.
    logSeverityLevel: 4,
  });
}

/**
 * Runs a model of `modelInto` that computes its results where `fetches` says. onnxruntime-node would then copy each of
 * them into fresh memory as well, which for gradients takes longer than most operators do. It takes the results one by
 * one, and gives up at a sequence, which it cannot convert;
 * hence the marker before them.
 */
export async function runInto(session: InferenceSession, feeds: Tensors, fetches: Tensors): Promise<void> {
  try {
    await session.run(feeds, { [endMarker]: null, ...fetches });
  } catch (error) {
    if (!messageOf(error).startsWith('Non tensor type')) throw error;
  }
}

/** By the names of a model's inputs or outputs. */
export type Tensors = Readonly<Record<string, Tensor>>;

const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array, int64: undefined };

/** The same data, but where tfjs's cpu backend holds a tensor's values in another type than its own. */
export function asData(data: TensorData, dtype: DType): TensorData {
  const array = arrays[dtype]!;
  return kindOf(data) === array.name ? localArray(data) : array.from(data);
}

/** Zeros. */
export const newData = (size: number, dtype: DType): TensorData => new arrays[dtype]!(size);

/** A view of a tensor's elements from a byte on. */
export const dataAt = (memory: ArrayBufferLike, shape: Shape, dtype: DType, offset: number): TensorData =>
  new arrays[dtype]!(memory as ArrayBuffer, offset, sizeOf(shape));

/** A view of the data as ORT takes it; nothing is copied. */
export function ortTensor(data: TensorData, shape: Shape, dtype: DType): Tensor {
  return new ort.Tensor(dtype as 'float32', hostArray(data as Float32Array), shape);
}

/** The data of a tensor of ORT's. */
export const dataOf = (tensor: Tensor): TensorData => localArray(tensor.data as TensorData);

/** Room for a result: zeros. */
export function newTensor(shape: Shape, dtype: DType): Tensor {
  const size = sizeOf(shape);
  const data = dtype === 'int64' ? new BigInt64Array(size) : new arrays[dtype](size);
  return new ort.Tensor(dtype as 'float32', hostArray(data) as Float32Array, shape);
}

/** Tensors of the given shapes that lie one after the other in `data`. */
export function tensorsOf(data: Float32Array, shapes: readonly Shape[]): Tensor[] {
  let offset = 0;
  return shapes.map((shape) => {
    const from = offset;
    offset += sizeOf(shape);
    return ortTensor(data.subarray(from, offset), shape, 'float32');
  });
}
