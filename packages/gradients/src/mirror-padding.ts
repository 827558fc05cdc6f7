import * as tf from '@tensorflow/tfjs-core';
import { adjointAlong } from './adjoint';

/** Every mirrored element's gradient is its source's too; tfjs's own cuts them off. */
export const mirrorPaddingGradient: tf.GradConfig = {
  kernelName: 'MirrorPad',
  inputsToSave: ['x'],
  gradFunc: (dy, [x], attrs) => ({
    x: () =>
      tf.tidy(() => {
        const { paddings, mode } = attrs as unknown as { paddings: [number, number][]; mode: 'reflect' | 'symmetric' };
        return paddings.reduce((gradient, [before, after], axis) => {
          if (before === 0 && after === 0) return gradient;
          const units = tf.eye(x.shape[axis]);
          return adjointAlong(
            gradient,
            axis,
            tf.mirrorPad<tf.Tensor2D>(
              units,
              [
                [before, after],
                [0, 0],
              ],
              mode,
            ),
          );
        }, dy as tf.Tensor);
      }),
  }),
};
