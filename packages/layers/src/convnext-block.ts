import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { gelu } from './activations';
import { addTime } from './add-time';
import { checkImages, checkSizes } from './check';
import { Conv2d } from './conv2d';
import { DepthwiseConv2d } from './depthwise-conv2d';
import { GroupNorm } from './group-norm';
import { Linear } from './linear';

/** Sizes and initial weights of a `ConvNextBlock`. */
export interface ConvNextBlockOptions {
  /** Channels of the input. */
  dim: number;
  /** Channels of the output. */
  dimOut: number;
  /** Size of the time embedding; without it the block is not told the time. */
  timeEmbDim?: number;
  /** The inner width, as a multiple of dimOut; 2 by default. */
  mult?: number;
  /** Whether the depthwise convolution is followed by a norm; true by default. */
  norm?: boolean;
  /** Draws the initial weights. */
  rng: Random;
}

/**
 * Depthwise 7×7 → + time → norm → conv 3×3 → GELU → norm → conv 3×3, with a residual connection (after Liu et al. 2022,
 * "A ConvNet for the 2020s"); the time embedding goes through GELU and a linear layer.
 */
export class ConvNextBlock {
  /** timeEmbDim → dim, added after the depthwise convolution. */
  readonly mlp?: Linear;
  /** 7×7, within each channel. */
  readonly dsConv: DepthwiseConv2d;
  readonly norm1?: GroupNorm;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  /** 1×1, where the widths differ. */
  readonly resConv?: Conv2d;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ dim, dimOut, timeEmbDim, mult = 2, norm = true, rng }: ConvNextBlockOptions) {
    const inner = dimOut * mult;
    checkSizes('ConvNextBlock', { dim, dimOut, 'dimOut·mult': inner });
    if (timeEmbDim !== undefined) checkSizes('ConvNextBlock', { timeEmbDim });
    if (timeEmbDim !== undefined) this.mlp = new Linear({ inFeatures: timeEmbDim, outFeatures: dim, rng });
    this.dsConv = new DepthwiseConv2d({ channels: dim, kernelSize: 7, padding: 3, rng });
    if (norm) this.norm1 = new GroupNorm({ groups: 1, channels: dim });
    this.conv1 = new Conv2d({ inChannels: dim, outChannels: inner, kernelSize: 3, padding: 1, rng });
    this.norm2 = new GroupNorm({ groups: 1, channels: inner });
    this.conv2 = new Conv2d({ inChannels: inner, outChannels: dimOut, kernelSize: 3, padding: 1, rng });
    if (dim !== dimOut) this.resConv = new Conv2d({ inChannels: dim, outChannels: dimOut, kernelSize: 1, rng });
  }

  /**
   * x: [n, h, w, dim], timeEmb: [n, timeEmbDim] → [n, h, w, dimOut].
   * @throws RangeError if either is of another shape, TypeError if the time embedding is missing or is not expected.
   */
  apply(x: tf.Tensor4D, timeEmb?: tf.Tensor2D): tf.Tensor4D {
    checkImages('ConvNextBlock', x, this.dsConv.weight.shape[2]!);
    return tf.tidy(() => {
      let h = addTime('ConvNextBlock', this.dsConv.apply(x), this.mlp, gelu, timeEmb);
      if (this.norm1) h = this.norm1.apply(h);
      h = this.norm2.apply(gelu(this.conv1.apply(h)));
      h = this.conv2.apply(h);
      return tf.add(h, this.resConv ? this.resConv.apply(x) : x);
    });
  }
}
