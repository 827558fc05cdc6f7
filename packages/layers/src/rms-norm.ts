import * as tf from '@tensorflow/tfjs-core';
import { checkImages, checkSizes } from './check';
import { parameter } from './parameter';
import type { TorchAxes } from './torch';

/** Least length of a pixel's channels, as in PyTorch's `normalize`. */
const EPSILON = 1e-12;

/** Root mean square normalisation of the channels of each pixel, with a learned scale for each (Zhang & Sennrich 2019). */
export class RmsNorm {
  /** (1, channels, 1, 1). */
  static readonly torchAxes: TorchAxes = { g: [0, 3, 1, 2] };
  /** [1, 1, 1, channels]. */
  readonly g: tf.Variable;

  /** @throws RangeError unless channels is a whole number of at least 1. */
  constructor({ channels }: { channels: number }) {
    checkSizes('RmsNorm', { channels });
    this.g = parameter(new Float32Array(channels).fill(1), [1, 1, 1, channels]);
  }

  /**
   * x: [n, h, w, channels] → √channels · x/‖x‖ · g of the same shape.
   * @throws RangeError if x has other channels.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    const channels = this.g.size;
    checkImages('RmsNorm', x, channels);
    return tf.tidy(() => {
      const length = tf.rsqrt(tf.maximum(tf.sum(tf.square(x), 3, true), EPSILON ** 2));
      return tf.mul(tf.mul(x, length), tf.mul(this.g, Math.sqrt(channels)));
    });
  }
}
