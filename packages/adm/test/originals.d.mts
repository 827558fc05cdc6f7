import type { TensorValues } from '@ddpm/layers';
import type * as tf from '@tensorflow/tfjs-core';

/** A network of others: whose, its options, and the size of the images. */
export interface Case {
  readonly of: string;
  readonly options: Record<string, unknown>;
  readonly size: number | readonly [h: number, w: number];
  readonly batch?: number;
  readonly label?: readonly number[] | 'embedding';
  readonly embDim?: number;
  /** Of the context that attention reads. */
  readonly positions?: number;
}

/** What `originals.py` writes of a case. */
export interface Original {
  readonly output: number[];
  readonly shape: number[];
  readonly dx: number[];
  readonly gradients: Record<string, [norm: number, product: number]>;
  readonly shapes: Record<string, number[]>;
}

export function weightsOf(original: Original): Map<string, TensorValues>;

export interface Comparison {
  readonly output: number;
  readonly dx: number;
  readonly gradients: number;
  readonly worst: string;
  readonly compared: number;
}

export function compare(
  network: { apply(x: tf.Tensor4D, t: tf.Tensor1D, condition?: Record<string, tf.Tensor>): tf.Tensor },
  names: ReadonlyMap<string, string>,
  of: Case,
  original: Original,
): Comparison;
