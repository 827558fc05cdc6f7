import * as tf from '@tensorflow/tfjs-core';
import { checkDivides, checkImages, checkShape, checkSizes } from './check';
import { normalise } from './normalise';
import { parameter } from './parameter';

/**
 * Group normalisation (Wu & He 2018): mean 0 and variance 1 over each image's groups of channels, then a scale and
 * shift for each channel.
 * As PyTorch's `GroupNorm`: eps 1e-5, biased variance.
 */
export class GroupNorm {
  /** [channels], initially 1. */
  readonly weight: tf.Variable;
  /** [channels], initially 0. */
  readonly bias: tf.Variable;
  readonly groups: number;
  readonly eps: number;

  /**
   * @param options.eps added to the variance
   * @throws RangeError if the groups do not divide the channels.
   */
  constructor({ groups, channels, eps = 1e-5 }: { groups: number; channels: number; eps?: number }) {
    checkSizes('GroupNorm', { groups, channels });
    checkDivides('GroupNorm', ['channels', channels], ['groups', groups]);
    this.weight = parameter(new Float32Array(channels).fill(1), [channels]);
    this.bias = parameter(new Float32Array(channels), [channels]);
    this.groups = groups;
    this.eps = eps;
  }

  /**
   * x: [n, h, w, channels] → [n, h, w, channels].
   * @param adaptive a scale and a shift of each image's own, both [n, channels], for (1 + scale) · GroupNorm(x) + shift:
   * the adaptive group normalisation of Dhariwal & Nichol 2021, eq. 3
   * @throws RangeError if x has other channels, or scale or shift is of another shape.
   */
  apply(x: tf.Tensor4D, adaptive?: { scale: tf.Tensor2D; shift: tf.Tensor2D }): tf.Tensor4D {
    const channels = this.weight.shape[0];
    checkImages('GroupNorm', x, channels);
    const [n, h, w] = x.shape;
    if (adaptive) {
      checkShape('GroupNorm', adaptive.scale, [n, channels], 'a scale');
      checkShape('GroupNorm', adaptive.shift, [n, channels], 'a shift');
    }
    return tf.tidy(() => {
      const grouped = tf.reshape(x, [n, h * w, this.groups, channels / this.groups]);
      const normalised = tf.reshape(normalise(grouped, [1, 3], this.eps), x.shape);
      if (!adaptive) return tf.add(tf.mul(normalised, this.weight), this.bias);
      // Both scales and both shifts in one, so that there is one pass over x.
      const ofImages = (row: tf.Tensor) => tf.reshape(row, [n, 1, 1, channels]);
      const scale = tf.add(adaptive.scale, 1);
      const shift = tf.add(tf.mul(scale, this.bias), adaptive.shift);
      return tf.add(tf.mul(normalised, ofImages(tf.mul(scale, this.weight))), ofImages(shift));
    });
  }
}
