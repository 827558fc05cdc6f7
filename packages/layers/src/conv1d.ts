import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkShape, checkSizes } from './check';
import type { Init } from './init';
import { biasParameter, weightParameter } from './parameter';
import type { TorchAxes } from './torch';

/** Sizes and initial weights of a `Conv1d`. */
export interface Conv1dOptions {
  /** Features of the input. */
  inChannels: number;
  /** Features of the output. */
  outChannels: number;
  /** Length of the filters; 1 by default: a linear layer at each position. */
  kernelSize?: number;
  /** Zeros added at both ends; 0 by default. */
  padding?: number;
  /** Whether a number is added to each output channel; true by default. */
  bias?: boolean;
  /** How the weight begins, beside a bias of 0; by default both begin as PyTorch's. */
  init?: Init;
  /** Draws the initial weights. */
  rng: Random;
}

/** Convolution of sequences as PyTorch's `Conv1d`, with its initialisation. */
export class Conv1d {
  /** (out, in, length). */
  static readonly torchAxes: TorchAxes = { weight: [2, 1, 0] };
  /** [kernelSize, inChannels, outChannels]. */
  readonly weight: tf.Variable;
  /** [outChannels]. */
  readonly bias?: tf.Variable;
  readonly padding: number;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ inChannels, outChannels, kernelSize = 1, padding = 0, bias = true, init, rng }: Conv1dOptions) {
    checkSizes('Conv1d', { inChannels, outChannels, kernelSize });
    const fans = { fanIn: inChannels * kernelSize, fanOut: outChannels * kernelSize };
    this.weight = weightParameter(rng, [kernelSize, inChannels, outChannels], fans, init);
    if (bias) this.bias = biasParameter(rng, outChannels, fans, init);
    this.padding = padding;
  }

  /**
   * x: [n, length, inChannels] → [n, length + 2·padding − kernelSize + 1, outChannels].
   * @throws RangeError if x has other features.
   */
  apply(x: tf.Tensor3D): tf.Tensor3D {
    const [kernelSize, inChannels, outChannels] = this.weight.shape;
    checkShape('Conv1d', x, ['n', 'length', inChannels]);
    return tf.tidy(() => {
      const image = tf.reshape<tf.Rank.R4>(x, [x.shape[0], 1, x.shape[1], inChannels]);
      const filter = tf.reshape<tf.Rank.R4>(this.weight, [1, kernelSize, inChannels, outChannels]);
      const sides: [number, number] = [this.padding, this.padding];
      const padding: 'valid' | [[0, 0], [0, 0], [number, number], [0, 0]] =
        this.padding === 0 ? 'valid' : [[0, 0], [0, 0], sides, [0, 0]];
      const y = tf.conv2d(image, filter, 1, padding, 'NHWC');
      const rows = tf.reshape<tf.Rank.R3>(y, [x.shape[0], y.shape[2], outChannels]);
      return this.bias ? tf.add(rows, this.bias) : rows;
    });
  }
}
