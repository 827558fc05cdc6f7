import * as tf from '@tensorflow/tfjs-core';

/**
 * Tells the network its noise level: concat(sin(t·f), cos(t·f)) with f_i = 10000^(−i/(half − 1)), i = 0 … half − 1, half = dim/2
 * (Vaswani et al. 2017, §3.5, in Ho et al.'s form).
 */
export class SinusoidalPositionEmbeddings {
  /** Size of the embedding. */
  readonly dim: number;

  /** @throws RangeError unless dim is even and at least 4. */
  constructor({ dim }: { dim: number }) {
    if (!Number.isInteger(dim) || dim % 2 !== 0 || dim < 4) {
      throw new RangeError(`SinusoidalPositionEmbeddings: dim must be an even number of at least 4, got ${dim}`);
    }
    this.dim = dim;
  }

  /**
   * t: [n] → [n, dim].
   * @throws RangeError if t is of another rank.
   */
  apply(t: tf.Tensor1D): tf.Tensor2D {
    if (t.rank !== 1) throw new RangeError(`SinusoidalPositionEmbeddings: expected t as a tensor [n], got [${t.shape.join(', ')}]`);
    const half = this.dim / 2;
    const frequencies = Float32Array.from({ length: half }, (_, i) => Math.exp((-i * Math.log(10000)) / (half - 1)));
    return tf.tidy(() => {
      const angles = tf.mul(tf.expandDims(tf.cast(t, 'float32'), 1), tf.tensor2d(frequencies, [1, half]));
      return tf.concat([tf.sin(angles), tf.cos(angles)], 1) as tf.Tensor2D;
    });
  }
}
