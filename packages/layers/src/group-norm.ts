import * as tf from '@tensorflow/tfjs-core';
import { checkDivides, checkImages, checkSizes } from './check';
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
   * @throws RangeError if x has other channels.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    const channels = this.weight.shape[0];
    checkImages('GroupNorm', x, channels);
    const [n, h, w] = x.shape;
    return tf.tidy(() => {
      const grouped = tf.reshape(x, [n, h * w, this.groups, channels / this.groups]);
      const normalised = tf.reshape(normalise(grouped, [1, 3], this.eps), x.shape);
      return tf.add(tf.mul(normalised, this.weight), this.bias);
    });
  }
}
