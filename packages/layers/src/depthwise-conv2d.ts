import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages, checkSizes } from './check';
import { uniformParameter } from './parameter';
import type { TorchAxes } from './torch';

/** One filter for each channel: PyTorch's `Conv2d` with as many groups as channels, at stride 1. */
export class DepthwiseConv2d {
  /** (channels, 1, h, w). */
  static readonly torchAxes: TorchAxes = { weight: [2, 3, 0, 1] };
  /** [kernelSize, kernelSize, channels, 1]. */
  readonly weight: tf.Variable;
  /** [channels]. */
  readonly bias: tf.Variable;
  readonly padding: number;

  /**
   * @param options.padding zeros added on every side, in pixels
   * @throws RangeError unless every size is a whole number of at least 1.
   */
  constructor({
    channels,
    kernelSize,
    padding = 0,
    rng,
  }: {
    channels: number;
    kernelSize: number;
    padding?: number;
    rng: Random;
  }) {
    checkSizes('DepthwiseConv2d', { channels, kernelSize });
    this.weight = uniformParameter(rng, [kernelSize, kernelSize, channels, 1], kernelSize * kernelSize);
    this.bias = uniformParameter(rng, [channels], kernelSize * kernelSize);
    this.padding = padding;
  }

  /**
   * x: [n, h, w, channels] → [n, h', w', channels], h' = h + 2·padding − kernelSize + 1.
   * @throws RangeError if x has other channels.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    checkImages('DepthwiseConv2d', x, this.weight.shape[2]!);
    return tf.tidy(() => tf.add(tf.depthwiseConv2d(x, this.weight as tf.Tensor4D, 1, this.padding), this.bias));
  }
}
