import * as tf from '@tensorflow/tfjs-core';

/**
 * (x − E[x]) / √(Var[x] + eps) over the given axes, with biased variance. The gradient,
 * dx = (dy − E[dy] − x̂ E[dy·x̂]) / √(Var[x] + eps), is stated because deriving it step by step costs several more
 * passes over x.
 */
export function normalise(x: tf.Tensor, axes: number[], eps: number): tf.Tensor {
  const normaliseWithGradient = tf.customGrad((input, save) => {
    const xIn = input as tf.Tensor;
    const centred = tf.sub(xIn, tf.mean(xIn, axes, true));
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes, true), eps));
    const value = tf.mul(centred, scale);
    (save as tf.GradSaveFunc)([value, scale]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [xHat, invStd] = saved;
      const projection = tf.mul(xHat, tf.mean(tf.mul(dy, xHat), axes, true));
      return tf.mul(tf.sub(tf.sub(dy, tf.mean(dy, axes, true)), projection), invStd);
    };
    return { value, gradFunc };
  });
  return normaliseWithGradient(x);
}
