import * as tf from '@tensorflow/tfjs-core';

/** A tensor, a list or a record of tensors: the result of a function to be compiled. */
export type TensorResult = tf.Tensor | tf.Tensor[] | Record<string, tf.Tensor>;

/** How to put a function's results together again. */
export type Structure = { kind: 'tensor' } | { kind: 'list' } | { kind: 'record'; keys: string[] };

export function flatten(result: TensorResult): { structure: Structure; tensors: tf.Tensor[] } {
  if (result instanceof tf.Tensor) return { structure: { kind: 'tensor' }, tensors: [result] };
  if (Array.isArray(result)) return { structure: { kind: 'list' }, tensors: result };
  if (typeof result !== 'object' || result === null || result instanceof Promise) {
    throw new TypeError(
      'compile: the function must return a tensor, a list of tensors or a record of tensors, and not a promise',
    );
  }
  return { structure: { kind: 'record', keys: Object.keys(result) }, tensors: Object.values(result) };
}

export function unflatten(structure: Structure, tensors: tf.Tensor[]): TensorResult {
  if (structure.kind === 'tensor') return tensors[0];
  if (structure.kind === 'list') return tensors;
  return Object.fromEntries(structure.keys.map((key, i) => [key, tensors[i]]));
}
