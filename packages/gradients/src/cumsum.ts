import * as tf from '@tensorflow/tfjs-core';

/** Sums from the other end; tfjs's own then turns the axes, unless it was the last one that was summed along. */
export const cumsumGradient: tf.GradConfig = {
  kernelName: 'Cumsum',
  gradFunc: (dy, _, attrs) => {
    const { axis, exclusive, reverse } = attrs as unknown as { axis: number; exclusive: boolean; reverse: boolean };
    return { x: () => tf.cumsum(dy as tf.Tensor, axis, exclusive, !reverse) };
  },
};
