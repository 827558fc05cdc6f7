import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Inputs beside x and its level, such as classes, by name; the first axis of each is the batch. */
export type Condition = Readonly<Record<string, tf.Tensor>>;

/**
 * x [n, h, w, c], what it is told of the level [n] float32 (a schedule's t, EDM's ln(σ)/4, …), and a condition → a
 * tensor shaped like x, which the parameterisation gives its meaning (ε, x_0, v, …), or one of twice the channels, which
 * says the variance too.
 */
export type NetworkFunction = (x: tf.Tensor4D, told: tf.Tensor1D, condition?: Condition) => tf.Tensor4D;

/** Numbers that a network is given in training alone, drawn anew for each example, such as what is dropped. */
export interface TrainingInput {
  /** The shape of one example's. */
  readonly item: readonly number[];
  /** So many numbers for all examples together. */
  draw(rng: Random, count: number): Float32Array;
}

/** Any object with such a function. Its parameters are the variables reachable through its fields. */
export interface Network {
  /** The network's output for noisy images. */
  apply: NetworkFunction;
  /** The names of the conditions that it takes, all of which it must be given; none by default. */
  readonly conditions?: readonly string[];
  /** Fields whose variables training leaves as they are, such as an encoder of captions; none by default. */
  readonly frozen?: readonly string[];
  /** Its inputs in training beside these, by name, for images of a shape [h, w, c]; none by default. */
  trainingInputs?(image: readonly number[]): Readonly<Record<string, TrainingInput>>;
}

/** A classifier of noisy images: x [n, h, w, c] and what it is told of the level [n] → logits [n, classes]. */
export interface Classifier {
  /** The logits of noisy images. */
  apply(x: tf.Tensor4D, told: tf.Tensor1D): tf.Tensor2D;
}

/** A network that runs elsewhere, such as a compiled one. It frees what it allocates, except for its result. */
export type AsyncNetworkFunction = (x: tf.Tensor4D, told: tf.Tensor1D, condition?: Condition) => Promise<tf.Tensor4D>;

/** A network's output, wherever it runs. */
export async function runNetwork(
  network: Network | AsyncNetworkFunction,
  ...inputs: Parameters<AsyncNetworkFunction>
): Promise<tf.Tensor4D> {
  return typeof network === 'function' ? network(...inputs) : tf.tidy(() => network.apply(...inputs));
}
