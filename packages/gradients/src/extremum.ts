import * as tf from '@tensorflow/tfjs-core';
import { summedTo } from './summed-to';

/**
 * Of the larger or smaller of a and b, where ties are a's: tfjs's own does not sum over the axes along which one of the
 * two was repeated.
 */
const extremum = (kernelName: string, isA: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): tf.GradConfig => ({
  kernelName,
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, [a, b]) => {
    const where = (chosen: tf.Tensor) => tf.mul(dy as tf.Tensor, tf.cast(chosen, 'float32'));
    return {
      a: () => summedTo(where(isA(a, b)), a.shape),
      b: () => summedTo(where(tf.logicalNot(isA(a, b))), b.shape),
    };
  },
});

export const maximumGradient = extremum('Maximum', tf.greaterEqual);
export const minimumGradient = extremum('Minimum', tf.lessEqual);
