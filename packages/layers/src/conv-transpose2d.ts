import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkImages, checkSizes } from './check';
import { uniformParameter } from './parameter';
import type { TorchAxes } from './torch';

/** Sizes and initial weights of a `ConvTranspose2d`. */
export interface ConvTranspose2dOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Channels of the output. */
  outChannels: number;
  /** Height and width of the filters. */
  kernelSize: number;
  /** Output pixels from one input position to the next; 1 by default. */
  stride?: number;
  /** Pixels cut from every side of the full result; 0 by default. */
  padding?: number;
  /** Draws the initial weights. */
  rng: Random;
}

/** Transposed convolution as PyTorch's `ConvTranspose2d`, with its initialisation. */
export class ConvTranspose2d {
  /** (in, out, h, w). */
  static readonly torchAxes: TorchAxes = { weight: [3, 2, 0, 1] };
  /** [kernelSize, kernelSize, outChannels, inChannels]. */
  readonly weight: tf.Variable;
  /** [outChannels]. */
  readonly bias: tf.Variable;
  readonly stride: number;
  readonly padding: number;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ inChannels, outChannels, kernelSize, stride = 1, padding = 0, rng }: ConvTranspose2dOptions) {
    checkSizes('ConvTranspose2d', { inChannels, outChannels, kernelSize, stride });
    // PyTorch counts the fan-in of a transposed convolution from its second weight axis, which is the output's.
    const fanIn = outChannels * kernelSize * kernelSize;
    this.weight = uniformParameter(rng, [kernelSize, kernelSize, outChannels, inChannels], fanIn);
    this.bias = uniformParameter(rng, [outChannels], fanIn);
    this.stride = stride;
    this.padding = padding;
  }

  /**
   * x: [n, h, w, inChannels] → [n, h', w', outChannels], h' = (h − 1)·stride + kernelSize − 2·padding.
   * @throws RangeError if x has other channels.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    const [kernelSize, , outChannels, inChannels] = this.weight.shape as [number, number, number, number];
    checkImages('ConvTranspose2d', x, inChannels);
    const grow = (size: number) => (size - 1) * this.stride + kernelSize - 2 * this.padding;
    const [n, h, w] = x.shape;
    return tf.tidy(() => {
      const y = tf.conv2dTranspose(
        x,
        this.weight as tf.Tensor4D,
        [n, grow(h), grow(w), outChannels],
        this.stride,
        this.padding,
      );
      return tf.add(y, this.bias);
    });
  }
}
