import * as tf from '@tensorflow/tfjs-core';
import type { Known } from '../editing/repaint';
import type { Denoise } from './denoise';
import { mapped } from './denoise';

/**
 * Keeps the known part of a picture: every x̂_0 is the picture's where the mask is 0 (as glide-text2im's inpainting does),
 * so that what sampling ends with is, too. For an `inpainting` network, which fits the rest to it; another needs
 * `repaint` for that.
 */
export const kept = (denoise: Denoise, { image, mask }: Known): Denoise =>
  mapped(denoise, ({ x0, ...rest }) => {
    const whole = tf.tidy(() => tf.add<tf.Tensor4D>(tf.mul(mask, x0), tf.mul(tf.sub(1, mask), image)));
    x0.dispose();
    return { ...rest, x0: whole };
  });
