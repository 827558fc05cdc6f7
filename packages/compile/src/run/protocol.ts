import type { ProgramSpec } from '../plan/program';
import type { TensorData } from './data';

/* What the owner of a pool of workers and its workers say to each other. */

export interface RunRequest {
  readonly kind: 'run';
  readonly program: number;
  /** For each input, the elements of all micro-batches. */
  readonly batch: readonly TensorData[];
  readonly microBatches: number;
  /**
   * Where the sums go: in shared memory, where there is such, and otherwise in memory that changes hands and comes
   * back.
   */
  readonly sums?: ArrayBufferLike;
}

export interface OpenRequest {
  readonly kind: 'open';
  readonly program: ProgramSpec;
}

export type Request = OpenRequest | RunRequest;

export interface RunResults {
  /** For each result, the elements of all micro-batches. */
  readonly results: readonly TensorData[];
  /** The memory where the sums were asked for, with them. */
  readonly sums?: ArrayBufferLike;
}

export type Reply =
  | { readonly kind: 'opened' }
  | ({ readonly kind: 'results' } & RunResults)
  | { readonly kind: 'error'; readonly message: string };
