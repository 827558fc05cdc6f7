import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/*
 * Dropout (Srivastava et al. 2014) of the second convolution's input in every residual block, as in Ho et al. 2020. A
 * network is a function of its inputs alone, so what is dropped is drawn outside: one number for each value that may be.
 */

/** Dropout as a function: the values multiplied by masks that are taken block by block. */
export type Dropout = (x: tf.Tensor4D) => tf.Tensor4D;

/**
 * Dropout by masks that were drawn outside.
 * @param masks [n, values], as `drawMasks` draws them
 */
export function dropoutBy(masks: tf.Tensor2D): Dropout {
  let from = 0;
  return (x) => {
    const [n, ...rest] = x.shape;
    const size = tf.util.sizeFromShape(rest);
    const mask = tf.slice(masks, [0, from], [n, size]);
    from += size;
    return tf.mul(x, tf.reshape<tf.Rank.R4>(mask, x.shape));
  };
}

/** 0 with the given probability, and otherwise what keeps the mean. */
export function drawMasks(rng: Random, count: number, probability: number): Float32Array {
  const kept = 1 / (1 - probability);
  return Float32Array.from({ length: count }, () => (rng.uniform() < probability ? 0 : kept));
}
