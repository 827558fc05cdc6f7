import * as tf from '@tensorflow/tfjs-core';
import { averagePoolingGradient } from './average-pooling';
import { cumsumGradient } from './cumsum';
import { einsumGradient } from './einsum';
import { maximumGradient, minimumGradient } from './extremum';
import { matMulGradient } from './mat-mul';
import { mirrorPaddingGradient } from './mirror-padding';
import { resizeBilinearGradient, resizeNearestNeighborGradient } from './resizing';

const gradients: readonly tf.GradConfig[] = [
  averagePoolingGradient,
  cumsumGradient,
  einsumGradient,
  matMulGradient,
  maximumGradient,
  minimumGradient,
  mirrorPaddingGradient,
  resizeBilinearGradient,
  resizeNearestNeighborGradient,
];

/**
 * Puts this package's gradients in the place of tfjs's own, on every backend and until the process ends. May be called
 * as often as one likes:
 * importing `@tensorflow/tfjs` later registers tfjs's own again.
 */
export function registerGradients(): void {
  for (const gradient of gradients) {
    const existing = tf.getGradient(gradient.kernelName);
    if (existing === gradient) continue;
    // Registering over another would be a warning where tfjs debugs.
    if (existing) tf.unregisterGradient(gradient.kernelName);
    tf.registerGradient(gradient);
  }
}
