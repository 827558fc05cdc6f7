import type { DType, Shape } from './graph';
import type { SessionOptions, TensorData } from './session';
import type { WeightMemory } from './weights';

/* What the owner of a pool of workers and its workers say to each other. */

export interface TensorSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** The prep and main graphs of one micro-batch size. */
export interface ProgramSpec {
  /** Other than every other program's of the same owner. */
  readonly id: number;
  /** Absent where nothing that main needs has to be computed of weights first. */
  readonly prep?: { readonly model: Uint8Array; readonly inputs: readonly string[]; readonly outputs: readonly TensorSpec[] };
  readonly main: Uint8Array;
  readonly optimization: SessionOptions['optimization'];
  /** The inputs that hold a micro-batch. */
  readonly batch: readonly TensorSpec[];
  /** What main is given for all micro-batches: a weight or output of prep each, in the shape that main takes. */
  readonly fixed: readonly { readonly name: string; readonly source: string; readonly shape: Shape }[];
  /** What main computes of a micro-batch. */
  readonly results: readonly TensorSpec[];
  /** What it adds to sums over the micro-batches, `sum0` → `total0`, … */
  readonly sums: readonly Shape[];
}

export interface RunRequest {
  readonly kind: 'run';
  readonly program: number;
  /** For each input, the elements of all micro-batches. */
  readonly batch: readonly TensorData[];
  readonly microBatches: number;
  /** Where the sums go. In shared memory: arrays that change hands, as large as all parameters, would keep the garbage collectors busy. */
  readonly sums?: ArrayBufferLike;
}

export interface OpenRequest {
  readonly kind: 'open';
  readonly program: ProgramSpec;
}

export type Request = OpenRequest | RunRequest;

export type Reply =
  | { readonly kind: 'opened' }
  /** For each result, the elements of all micro-batches; the sums are where they were asked for. */
  | { readonly kind: 'results'; readonly results: readonly TensorData[] }
  | { readonly kind: 'error'; readonly message: string };

export type WorkerData = WeightMemory;
