import * as tf from '@tensorflow/tfjs-core';
import type { Denoise } from './denoise';
import { mapped } from './denoise';

/** Keeps every x̂_0 within [−1, 1], where the images are (Ho et al.'s own sampler does). */
export const clipped = (denoise: Denoise): Denoise =>
  mapped(denoise, ({ x0, ...rest }) => {
    const within = tf.clipByValue(x0, -1, 1);
    x0.dispose();
    return { ...rest, x0: within };
  });
