import * as tf from '@tensorflow/tfjs-core';

/** Half the width of the bins: bytes are 2/255 apart in [−1, 1]. */
const HALF = 1 / 255;
/** Where a probability vanishes, it counts as this. */
const LEAST = Math.log(1e-12);
const [scale, cubic] = [2 * Math.sqrt(2 / Math.PI), 0.044715];

/**
 * log p of each element of images of bytes in [−1, 1], in nats: what N(mean, deviation²) has within its bin of 2/255,
 * and beyond the ends for black and white (Ho et al. 2020, eq. 13); at least log 10⁻¹². The normal distribution
 * function is the approximation of all of these authors' code, Φ(z) ≈ S(2√(2/π)(z + 0.044715z³)), S the logistic
 * function. As S(a) − S(b) = S(a)·S(−b)·(1 − e^(b − a)), tails keep their digits in float32. All [n, h, w, c].
 * @param x the images
 * @param error x − mean
 * @param logDeviation log of the deviation
 */
export function discretizedGaussian(x: tf.Tensor4D, error: tf.Tensor4D, logDeviation: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => {
    const inverse = tf.exp(tf.neg(logDeviation));
    const [above, below] = [1, -1].map((side) => tf.mul(tf.add(error, side * HALF), inverse));
    const logit = (z: tf.Tensor) => tf.mul(tf.add(z, tf.mul(tf.mul(tf.square(z), z), cubic)), scale);
    // a − b of the two logits, without their difference.
    const squares = tf.add(tf.add(tf.square(above), tf.mul(above, below)), tf.square(below));
    const width = tf.mul(tf.mul(inverse, 2 * HALF * scale), tf.add(tf.mul(squares, cubic), 1));
    const below1 = tf.neg(tf.softplus(tf.neg(logit(above))));
    const above0 = tf.neg(tf.softplus(logit(below)));
    const within = tf.add(tf.add(below1, above0), tf.log(tf.neg(tf.expm1(tf.neg(width)))));
    const log = tf.where(tf.less(x, -0.999), below1, tf.where(tf.greater(x, 0.999), above0, within));
    return tf.maximum<tf.Tensor4D>(log, LEAST);
  });
}
