import * as tf from '@tensorflow/tfjs-core';

/** The frequencies and the order of a `sinusoidalEmbedding`. */
export interface SinusoidalOptions {
  /** Size of the embedding. */
  dim: number;
  /** The frequencies fall from 1 to 1/maxPeriod; 10000 by default. */
  maxPeriod?: number;
  /**
   * Whether the last frequency is 1/maxPeriod itself (Ho et al. 2020), or the one that would follow (Vaswani et al.
   * 2017); false by default.
   */
  endpoint?: boolean;
  /**
   * Whether the cosines come before the sines, as in ADM (Dhariwal & Nichol 2021) and DiT (Peebles & Xie 2023); false
   * by default.
   */
  cosFirst?: boolean;
}

/**
 * Tells a network a noise level or a position: concat(sin(t·f), cos(t·f)) with f_i = maxPeriod^(−i/half), i = 0 … half
 * − 1, half = dim/2 (Vaswani et al. 2017, §3.5); with `endpoint`, f_i = maxPeriod^(−i/(half − 1)). t: [n], of any dtype
 * → [n, dim].
 * @throws RangeError unless t is a vector, and dim even and at least 2, or 4 with `endpoint`.
 */
export function sinusoidalEmbedding(
  t: tf.Tensor1D,
  { dim, maxPeriod = 10000, endpoint = false, cosFirst = false }: SinusoidalOptions,
): tf.Tensor2D {
  const least = endpoint ? 4 : 2;
  if (!Number.isInteger(dim) || dim % 2 !== 0 || dim < least) {
    throw new RangeError(`sinusoidalEmbedding: dim must be an even number of at least ${least}, got ${dim}`);
  }
  if (t.rank !== 1)
    throw new RangeError(`sinusoidalEmbedding: expected t as a tensor [n], got [${t.shape.join(', ')}]`);
  const half = dim / 2;
  const steps = endpoint ? half - 1 : half;
  const frequencies = Float32Array.from({ length: half }, (_, i) => maxPeriod ** (-i / steps));
  return tf.tidy(() => {
    const angles = tf.mul(tf.expandDims(tf.cast(t, 'float32'), 1), tf.tensor2d(frequencies, [1, half]));
    const [sin, cos] = [tf.sin(angles), tf.cos(angles)];
    return tf.concat(cosFirst ? [cos, sin] : [sin, cos], 1) as tf.Tensor2D;
  });
}
