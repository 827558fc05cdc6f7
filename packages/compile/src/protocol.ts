import type { DType, Shape } from './graph';
import type { TensorData } from './session';

/* What the owner of a pool of workers and its workers say to each other. */

export interface TensorSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** The prep and main graphs of one micro-batch size. */
export interface ProgramSpec {
  readonly id: number;
  /** Absent where nothing depends on the parameters alone. */
  readonly prep?: { readonly model: Uint8Array; readonly inputs: readonly string[]; readonly outputs: readonly TensorSpec[] };
  readonly main: Uint8Array;
  /** The inputs that hold a micro-batch. */
  readonly batch: readonly TensorSpec[];
  /** What main is given for all micro-batches: a parameter or output of prep each, in the shape that main takes. */
  readonly fixed: readonly { readonly name: string; readonly source: string; readonly shape: Shape }[];
  readonly sums: readonly Shape[];
  /** Whether main returns the losses of the examples, or their mean. */
  readonly perExample: boolean;
}

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** In elements, within the shared parameters. */
  readonly offset: number;
  readonly size: number;
}

export interface WorkerData {
  readonly parameters: readonly ParameterSpec[];
  /** All parameters' values one after the other, for workers to copy at the beginning of each step. */
  readonly shared: SharedArrayBuffer;
}

export interface GroupRequest {
  readonly kind: 'group';
  readonly program: number;
  /** Counts steps: when it changes, so have the parameters. */
  readonly step: number;
  /** For each input, the elements of all the group's micro-batches. */
  readonly batch: readonly (Float32Array | Int32Array)[];
  readonly microBatches: number;
  /** Where the sums go. In shared memory: arrays that change hands, as large as all parameters, would keep the garbage collectors busy. */
  readonly sums: SharedArrayBuffer;
}

/** Values of a tensor. */
export interface TensorValues {
  readonly data: TensorData;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A graph with all that it needs but its inputs, `input0`, `input1`, …, of which it makes `output0`, … */
export interface LoadRequest {
  readonly kind: 'load';
  readonly graph: number;
  readonly model: Uint8Array;
}

/** One run of such a graph. */
export interface RunRequest {
  readonly kind: 'run';
  readonly graph: number;
  readonly inputs: readonly TensorValues[];
  readonly outputs: readonly { readonly shape: Shape; readonly dtype: DType }[];
}

export type Request = { readonly kind: 'open'; readonly program: ProgramSpec } | GroupRequest | LoadRequest | RunRequest;

export type Reply =
  | { readonly kind: 'opened' }
  /** The sums are where they were asked for; the losses are those of each micro-batch. */
  | { readonly kind: 'sums'; readonly losses: Float32Array<ArrayBuffer> }
  | { readonly kind: 'results'; readonly results: readonly TensorData[] }
  | { readonly kind: 'error'; readonly message: string };
