import type * as tf from '@tensorflow/tfjs-core';

/** x_t [n, h, w, c], t [n] int32 → a tensor shaped like x_t that says what the objective asks for (ε, x_0 or v). */
export type NetworkFunction = (xt: tf.Tensor4D, t: tf.Tensor1D, condition?: Readonly<Record<string, tf.Tensor>>) => tf.Tensor4D;

/** Any object with such a function. Its parameters are the variables reachable through its fields. */
export interface Network {
  /** What the network makes of noisy images. */
  apply: NetworkFunction;
}
