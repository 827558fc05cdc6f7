import type { ProgramSpec } from '../plan/program';
import type { TensorData } from './session';
import type { WeightMemory } from './weights';

/* What the owner of a pool of workers and its workers say to each other. */

export interface RunRequest {
  readonly kind: 'run';
  readonly program: number;
  /** For each input, the elements of all micro-batches. */
  readonly batch: readonly TensorData[];
  readonly microBatches: number;
  /**
   * Where the sums go. In shared memory: arrays that change hands, as large as all parameters, would keep the garbage
   * collectors busy.
   */
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
