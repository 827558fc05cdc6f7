import type { Random } from '@ddpm/random';
import type * as tf from '@tensorflow/tfjs-core';
import type { Batch, Inputs } from './batch';

/** Float32 arrays by name: parameters, gradients, losses. */
export type Arrays = ReadonlyMap<string, Float32Array>;

/** Numbers as they are saved. */
export type Values = Float32Array | Float64Array | Int32Array;

/**
 * All arrays that must be saved to go on exactly, by name. Counts are int32 or float64, which float32 would round from
 * 2²⁴ on.
 */
export type State = ReadonlyMap<string, Values>;

/** A network's variables by the paths of its fields. */
export type Variables = ReadonlyMap<string, tf.Variable>;

/**
 * Losses of each example: the mean of `loss` [n] is made small, and other terms of one number for each example [n] are
 * recorded by their names. Terms of several, [n, …], are for `observe` alone.
 */
export type Losses = { readonly loss: tf.Tensor1D } & Readonly<Record<string, tf.Tensor>>;

/** A loss, its parameters and its random inputs: everything of training that is not the optimizer. */
export interface Task {
  /** The variables that are trained. */
  readonly parameters: Variables;
  /**
   * Variables that the loss reads and that are not trained: a teacher, an encoder. Their values may change between
   * steps.
   */
  readonly frozen?: Variables;
  /** Whether the loss of an example depends on the others (a contrastive loss), so that a batch may not be cut. */
  readonly coupled?: boolean;
  /** Inputs of a step's loss: the examples, and all that is random. */
  draw(examples: Batch, rng: Random): Batch;
  /** A pure function of its inputs and the variables, so that it can be traced. Validation runs the same one. */
  readonly loss: (inputs: Inputs) => Losses;
  /**
   * Told after each step that was taken what its inputs were, what losses they had, all terms of them, and the weights
   * to use the model with, valid until the next step; importance sampling learns from it, and so do a codebook and a
   * teacher that follows its student.
   */
  observe?(inputs: Batch, losses: Arrays, weights: Arrays): void;
  /**
   * The values of those frozen variables that `observe` changes, by name: they belong to the networks, and are saved
   * with the weights.
   */
  buffers?(): Arrays;
  /** The state that `observe` has learned; it may be the arrays themselves, which are written before the next step. */
  state?(): State;
  /** Goes on from where `state()` was taken. */
  restore?(state: State): void;
}
