import * as tf from '@tensorflow/tfjs-core';
import { adjointAlong } from './adjoint';

interface ResizeAttributes {
  size: [number, number];
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

/**
 * Resizing is linear along the height and along the width. Its gradients in tfjs take no notice of halfPixelCenters,
 * and on some backends none of which side is the longer; this one is the transpose of what the kernel does to unit
 * vectors, so it is right wherever that is.
 */
const resizing = (
  kernelName: string,
  resize: (
    images: tf.Tensor4D,
    size: [number, number],
    alignCorners: boolean,
    halfPixelCenters: boolean,
  ) => tf.Tensor4D,
): tf.GradConfig => ({
  kernelName,
  inputsToSave: ['images'],
  gradFunc: (dy, [images], attrs) => ({
    images: () =>
      tf.tidy(() => {
        const { size, alignCorners, halfPixelCenters } = attrs as unknown as ResizeAttributes;
        const [, height, width] = images.shape;
        const matrix = (from: number, to: number) => {
          const units = tf.reshape<tf.Rank.R4>(tf.eye(from), [1, from, from, 1]);
          return tf.reshape<tf.Rank.R2>(resize(units, [to, from], alignCorners, halfPixelCenters), [to, from]);
        };
        const tall = adjointAlong(dy as tf.Tensor, 1, matrix(height, size[0]));
        return adjointAlong(tall, 2, matrix(width, size[1]));
      }),
  }),
});

export const resizeBilinearGradient = resizing('ResizeBilinear', tf.image.resizeBilinear);
export const resizeNearestNeighborGradient = resizing('ResizeNearestNeighbor', tf.image.resizeNearestNeighbor);
