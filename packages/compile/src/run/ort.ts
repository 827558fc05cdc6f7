import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { endMarker } from '../plan/program';
import type { ProgramSpec } from '../plan/program';
import { host, hostArray, ort } from './host';
import { messageOf } from './realm';

export { ort };

// Unless told not to before its first session, ONNX Runtime sends Microsoft what it runs, and keeps an identifier in
// the home folder.
host.process.env.ORT_DISABLE_TELEMETRY ??= '1';

/** Where ONNX Runtime computes: the processor, whatever GPU WebGPU finds, or an NVIDIA GPU. */
export type Device = 'cpu' | 'webgpu' | 'cuda';

export interface SessionOptions {
  /** Threads that one operator may use. */
  readonly threads: number;
  readonly optimization: ProgramSpec['optimization'];
  /**
   * Whether threads wait for their next piece of work asleep: where there may be more of them than processors, those
   * that spin keep others from theirs.
   */
  readonly sleep?: boolean;
  /** Whether memory for results goes back when it is free, where they are large; it is kept by default. */
  readonly frugal?: boolean;
  /** Where it is computed; the processor by default. In a page, `setRuntime` says. */
  readonly device?: Device;
  /** Where its results are to be, by name; on the processor by default. */
  readonly locations?: Readonly<Record<string, 'cpu' | 'gpu-buffer'>>;
}

export function openSession(
  model: Uint8Array,
  { threads, optimization, sleep = false, frugal = false, device = 'cpu', locations }: SessionOptions,
): Promise<InferenceSession> {
  // What goes wrong is thrown, and need not be printed as well; but for a provider's library that does not load. The
  // first session of a process decides.
  ort.env.logLevel = device === 'cuda' ? 'error' : 'fatal';
  return ort.InferenceSession.create(hostArray(model), {
    executionProviders: [device],
    graphOptimizationLevel: optimization,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: sleep ? '0' : '1' } } },
    executionMode: 'sequential',
    // Otherwise ORT keeps what a first run took, and a second time as much in one piece.
    enableMemPattern: false,
    enableCpuMemArena: !frugal,
    logSeverityLevel: 4,
    ...(locations && { preferredOutputLocation: locations }),
  });
}

/** By the names of a model's inputs or outputs. */
export type Tensors = Readonly<Record<string, Tensor>>;

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
