import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages, checkSizes } from './check';
import type { Init } from './init';
import { biasParameter, weightParameter } from './parameter';
import type { TorchAxes } from './torch';

/** Sizes and initial weights of a `Conv2d`. */
export interface Conv2dOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Channels of the output. */
  outChannels: number;
  /** Height and width of the filters. */
  kernelSize: number;
  /** Pixels from one output position to the next; 1 by default. */
  stride?: number;
  /** Zeros added on every side, in pixels, or before and behind in both directions; 0 by default. */
  padding?: number | readonly [before: number, behind: number];
  /** Whether a number is added to each output channel; true by default. */
  bias?: boolean;
  /** How the weight begins, beside a bias of 0; by default both begin as PyTorch's. */
  init?: Init;
  /** Draws the initial weights. */
  rng: Random;
}

/**
 * Convolution as PyTorch's `Conv2d`, with its initialisation: a size that the stride does not divide is rounded down.
 */
export class Conv2d {
  /** (out, in, h, w). */
  static readonly torchAxes: TorchAxes = { weight: [3, 2, 0, 1] };
  /** [kernelSize, kernelSize, inChannels, outChannels]. */
  readonly weight: tf.Variable;
  /** [outChannels]. */
  readonly bias?: tf.Variable;
  readonly stride: number;
  readonly padding: number | readonly [before: number, behind: number];

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ inChannels, outChannels, kernelSize, stride = 1, padding = 0, bias = true, init, rng }: Conv2dOptions) {
    checkSizes('Conv2d', { inChannels, outChannels, kernelSize, stride });
    const fans = { fanIn: inChannels * kernelSize * kernelSize, fanOut: outChannels * kernelSize * kernelSize };
    this.weight = weightParameter(rng, [kernelSize, kernelSize, inChannels, outChannels], fans, init);
    if (bias) this.bias = biasParameter(rng, outChannels, fans, init);
    this.stride = stride;
    this.padding = padding;
  }

  /**
   * x: [n, h, w, inChannels] → [n, h', w', outChannels], h' = ⌊(h + 2·padding − kernelSize)/stride⌋ + 1, or with
   * before + behind for 2·padding.
   * @throws RangeError if x has other channels.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    checkImages('Conv2d', x, this.weight.shape[2]!);
    return tf.tidy(() => {
      const filter = this.weight as tf.Tensor4D;
      const y =
        typeof this.padding === 'number'
          ? tf.conv2d(x, filter, this.stride, this.padding, 'NHWC', 1, 'floor')
          : tf.conv2d(x, filter, this.stride, [[0, 0], [...this.padding], [...this.padding], [0, 0]]);
      return this.bias ? tf.add(y, this.bias) : y;
    });
  }
}
