import * as tf from '@tensorflow/tfjs-core';
import { adjointAlong } from './adjoint';

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** Windows along one axis. */
interface Windows {
  readonly size: number;
  readonly out: number;
  readonly window: number;
  readonly stride: number;
  readonly before: number;
}

/**
 * Every window's mean is of the pixels inside the image; tfjs's own gradient divides by the window's whole size at the
 * borders too.
 */
export const averagePoolingGradient: tf.GradConfig = {
  kernelName: 'AvgPool',
  inputsToSave: ['x'],
  gradFunc: (gradient, [x], attrs) => ({
    x: () =>
      tf.tidy(() => {
        const dy = gradient as tf.Tensor;
        const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as PoolAttributes;
        const info = tf.backend_util.computePool2DInfo(
          x.shape as [number, number, number, number],
          filterSize,
          strides,
          1,
          pad,
          dimRoundingMode,
        );
        const height = {
          size: info.inHeight,
          out: info.outHeight,
          window: info.filterHeight,
          stride: info.strideHeight,
          before: info.padInfo.top,
        };
        const width = {
          size: info.inWidth,
          out: info.outWidth,
          window: info.filterWidth,
          stride: info.strideWidth,
          before: info.padInfo.left,
        };
        if (whole(height) && whole(width))
          return tf.engine().runKernel<tf.Tensor>('AvgPoolGrad', { dy, input: x }, { filterSize, strides, pad });
        return adjointAlong(adjointAlong(dy, 1, means(height)), 2, means(width));
      }),
  }),
};

/** Whether all of every window is inside. */
const whole = ({ size, out, window, stride, before }: Windows) => before === 0 && (out - 1) * stride + window <= size;

/** [out, size]: each window's mean. */
function means({ size, out, window, stride, before }: Windows): tf.Tensor2D {
  const matrix = new Float32Array(out * size);
  for (let i = 0; i < out; i++) {
    const from = Math.max(0, i * stride - before);
    const to = Math.min(size, i * stride - before + window);
    matrix.fill(1 / (to - from), i * size + from, i * size + to);
  }
  return tf.tensor2d(matrix, [out, size]);
}
