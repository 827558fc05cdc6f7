import * as tf from '@tensorflow/tfjs-core';

/** The tensor of `make`, as a constant: nothing in it is differentiated, or kept for that. */
export const withoutGradient = <T extends tf.Tensor>(make: () => T): T =>
  tf.customGrad(() => ({ value: make(), gradFunc: () => [] }))();
