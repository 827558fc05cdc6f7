import * as tf from '@tensorflow/tfjs-core';
import type { ElementLoss } from './element-loss';

/**
 * e²/2 where |e| < 1, |e| − 1/2 elsewhere: PyTorch's smooth L1 with β = 1. Written as min(|e|, 1)·(|e| − min(|e|,
 * 1)/2).
 */
export const huber: ElementLoss = (error) => {
  const magnitude = tf.abs(error);
  const clipped = tf.minimum(magnitude, 1);
  return tf.mul(clipped, tf.sub(magnitude, tf.mul(clipped, 0.5)));
};
