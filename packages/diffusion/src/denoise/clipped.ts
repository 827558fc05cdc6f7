import * as tf from '@tensorflow/tfjs-core';
import type { Denoise } from './denoise';

/** Keeps every x̂_0 within [−1, 1], where the images are (Ho et al.'s own sampler does). */
export function clipped(denoise: Denoise): Denoise {
  return async (x, level) => {
    const { x0, ...rest } = await denoise(x, level);
    const within = tf.clipByValue(x0, -1, 1);
    x0.dispose();
    return { ...rest, x0: within };
  };
}
