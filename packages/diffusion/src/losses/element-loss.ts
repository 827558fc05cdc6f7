import type * as tf from '@tensorflow/tfjs-core';

/** How an error e = target − output counts, element by element; of any shape. */
export type ElementLoss = (error: tf.Tensor) => tf.Tensor;
