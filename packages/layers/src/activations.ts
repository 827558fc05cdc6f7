import * as tf from '@tensorflow/tfjs-core';

/**
 * An element-wise function whose derivative is known in closed form, which is cheaper than deriving it operation by
 * operation.
 */
function elementwise(forward: (x: tf.Tensor) => tf.Tensor, derivative: (x: tf.Tensor) => tf.Tensor) {
  const withGradient = tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor]);
    return {
      value: forward(x as tf.Tensor),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => tf.mul(dy, derivative(saved)),
    };
  });
  return <T extends tf.Tensor>(x: T): T => withGradient(x) as T;
}

/** Φ(x), the cumulative distribution function of N(0, 1). */
const normalCdf = (x: tf.Tensor) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
const normalDensity = (x: tf.Tensor) => tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));

/** x·Φ(x), the exact GELU (Hendrycks & Gimpel 2016). Any shape. */
export const gelu = elementwise(
  (x) => tf.mul(x, normalCdf(x)),
  (x) => tf.add(normalCdf(x), tf.mul(x, normalDensity(x))),
);

/** x·σ(x), SiLU or swish. Any shape. */
export const silu = elementwise(
  (x) => tf.mul(x, tf.sigmoid(x)),
  (x) => {
    const s = tf.sigmoid(x);
    return tf.mul(s, tf.add(tf.mul(x, tf.sub(1, s)), 1));
  },
);

const [linear, cubic] = [2 * Math.sqrt(2 / Math.PI), 2 * Math.sqrt(2 / Math.PI) * 0.044715];

/** x/2·(1 + tanh(√(2/π)(x + 0.044715 x³))), the approximation to GELU (Hendrycks & Gimpel 2016). Any shape. */
export const geluTanh = elementwise(
  // (1 + tanh(u/2))/2 = σ(u).
  (x) => tf.mul(x, tf.sigmoid(tf.mul(x, tf.add(tf.mul(tf.square(x), cubic), linear)))),
  (x) => {
    const squared = tf.square(x);
    const s = tf.sigmoid(tf.mul(x, tf.add(tf.mul(squared, cubic), linear)));
    const slope = tf.add(tf.mul(squared, 3 * cubic), linear);
    return tf.mul(s, tf.add(tf.mul(tf.mul(x, slope), tf.sub(1, s)), 1));
  },
);

/** x·σ(1.702 x), CLIP's approximation to GELU (Radford et al. 2021). Any shape. */
export const quickGelu = elementwise(
  (x) => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))),
  (x) => {
    const scaled = tf.mul(x, 1.702);
    const s = tf.sigmoid(scaled);
    return tf.mul(s, tf.add(tf.mul(scaled, tf.sub(1, s)), 1));
  },
);
