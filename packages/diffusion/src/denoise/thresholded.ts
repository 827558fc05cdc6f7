import * as tf from '@tensorflow/tfjs-core';
import type { Denoise } from './denoise';

/**
 * Dynamic thresholding (Saharia et al. 2022, Imagen, §2.3): each x̂_0 is kept within [−s, s] and divided by s = max(1,
 * the p-quantile of its |x̂_0|), so that strong guidance does not drive ever more of it to the ends of [−1, 1].
 * @param options.quantile p, from 0 to 1; 0.995 by default
 * @param options.max s is at most this: diffusers' `sample_max_value`, which is 1 there by default, and then no more
 * than clipping; none by default
 * @throws RangeError unless quantile is from 0 to 1, and max at least 1
 */
export function thresholded(denoise: Denoise, { quantile = 0.995, max = Infinity } = {}): Denoise {
  if (!(quantile >= 0 && quantile <= 1))
    throw new RangeError(`thresholded: quantile must be from 0 to 1, got ${quantile}`);
  if (!(max >= 1)) throw new RangeError(`thresholded: max must be at least 1, got ${max}`);
  return async (x, level) => {
    const { x0, ...rest } = await denoise(x, level);
    try {
      const values = await x0.data<'float32'>();
      const [n] = x0.shape;
      const size = values.length / n;
      const bounds = Array.from({ length: n }, (_, i) => {
        const magnitudes = values.slice(i * size, (i + 1) * size).map(Math.abs);
        return Math.min(Math.max(1, quantileOf(magnitudes, quantile)), max);
      });
      return {
        ...rest,
        x0: tf.tidy(() => {
          const s = tf.tensor4d(bounds, [n, 1, 1, 1]);
          return tf.div<tf.Tensor4D>(tf.minimum(tf.maximum(x0, tf.neg(s)), s), s);
        }),
      };
    } finally {
      x0.dispose();
    }
  };
}

/** Between two values in proportion, as PyTorch and NumPy do by default. Sorts them in place. */
function quantileOf(values: Float32Array, p: number): number {
  values.sort();
  const place = p * (values.length - 1);
  const [below, above] = [values[Math.floor(place)], values[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}
