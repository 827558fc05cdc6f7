import * as tf from '@tensorflow/tfjs-core';
import type { ElementLoss } from './element-loss';

/**
 * √(e² + c²) − c: about e²/(2c) where |e| is well below c, and |e| − c well above (Charbonnier et al. 1997; for
 * diffusion, Song & Dhariwal 2023). Written as e²/(√(e² + c²) + c), which keeps the digits of a small e.
 * @param options.c where it turns from squares to magnitudes; 0.1 by default
 * @throws RangeError unless c is a number above 0
 */
export function pseudoHuber({ c = 0.1 } = {}): ElementLoss {
  if (!(c > 0 && c < Infinity)) throw new RangeError(`pseudoHuber: c must be a number above 0, got ${c}`);
  return (error) => {
    const square = tf.square(error);
    return tf.div(square, tf.add(tf.sqrt(tf.add(square, c ** 2)), c));
  };
}
