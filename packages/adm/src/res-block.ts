import { Conv2d, GroupNorm, Linear, silu } from '@ddpm/layers';
import type { Dropout, Init } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial, Resampler, Resampling } from './blocks';
import { resample } from './blocks';

/** A function of each element. */
export type Activation = <T extends tf.Tensor>(x: T) => T;

/** Options that all residual blocks of a network have in common. */
export interface ResBlockStyle {
  /** Features of what the blocks are told. */
  embDim: number;
  /** Groups of both norms. */
  groups: number;
  /** Added to the norms' variances; 1e-5 by default. */
  eps?: number;
  /** Whether they are told it by a scale and shift of the second norm, or by an addition before it. */
  scaleShift: boolean;
  /** SiLU by default. */
  activation?: Activation;
}

/**
 * GroupNorm → SiLU → conv 3×3, twice, with a residual connection (Ho et al. 2020; Dhariwal & Nichol 2021, appendix A).
 * Between them it is told the noise level and the class; where it resamples, it does so before the first convolution,
 * and on the residual connection.
 */
export class ResBlock implements Resampler {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  /** embDim → outChannels, or scale and shift of each. */
  readonly emb: Linear;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  /** 1×1, where the widths differ. */
  readonly skip?: Conv2d;
  readonly resampling?: Resampling;
  readonly scaleShift: boolean;
  readonly outputScale: number;
  private readonly activation: Activation;

  /**
   * @param options.outInit how the last convolution begins
   * @param options.outputScale what the sum is divided by; 1 by default
   * @throws RangeError if the groups do not divide the channels.
   */
  constructor({
    inChannels,
    outChannels,
    embDim,
    groups,
    eps,
    scaleShift,
    activation = silu,
    resampling,
    outputScale = 1,
    outInit,
    ...initial
  }: {
    inChannels: number;
    outChannels: number;
    resampling?: Resampling;
    outputScale?: number;
    outInit?: Init;
  } & ResBlockStyle &
    Initial) {
    this.norm1 = new GroupNorm({ groups, channels: inChannels, eps });
    this.conv1 = new Conv2d({ inChannels, outChannels, kernelSize: 3, padding: 1, ...initial });
    this.emb = new Linear({ inFeatures: embDim, outFeatures: scaleShift ? 2 * outChannels : outChannels, ...initial });
    this.norm2 = new GroupNorm({ groups, channels: outChannels, eps });
    this.conv2 = new Conv2d({
      ...initial,
      ...{ inChannels: outChannels, outChannels, kernelSize: 3, padding: 1 },
      ...(outInit && { init: outInit }),
    });
    if (inChannels !== outChannels) this.skip = new Conv2d({ inChannels, outChannels, kernelSize: 1, ...initial });
    this.resampling = resampling;
    this.scaleShift = scaleShift;
    this.outputScale = outputScale;
    this.activation = activation;
  }

  /** x: [n, h, w, inChannels], emb: [n, embDim], activated already → [n, h', w', outChannels]. */
  apply(x: tf.Tensor4D, emb: tf.Tensor2D, dropout: Dropout = (kept) => kept): tf.Tensor4D {
    return tf.tidy(() => {
      const { activation } = this;
      const resampled = (image: tf.Tensor4D) => (this.resampling ? resample(image, this.resampling) : image);
      const h = this.conv1.apply(resampled(activation(this.norm1.apply(x))));
      const out = this.conv2.apply(dropout(activation(this.told(h, this.emb.apply(emb)))));
      const across = resampled(x);
      const sum = tf.add<tf.Tensor4D>(this.skip ? this.skip.apply(across) : across, out);
      return this.outputScale === 1 ? sum : tf.div<tf.Tensor4D>(sum, this.outputScale);
    });
  }

  /** How many values of an image of a size [h, w] it may drop: those that its second convolution takes. */
  droppable([h, w]: readonly [number, number]): number {
    const factor = { up: 2, down: 0.5, none: 1 }[this.resampling ?? 'none'];
    return h * factor * (w * factor) * this.conv2.weight.shape[2]!;
  }

  /** The second norm, and the embedding in it or before it. */
  private told(h: tf.Tensor4D, emb: tf.Tensor2D): tf.Tensor4D {
    if (this.scaleShift) {
      const [scale, shift] = tf.split<tf.Tensor2D>(emb, 2, 1);
      return this.norm2.apply(h, { scale, shift });
    }
    return this.norm2.apply(tf.add(h, tf.reshape(emb, [h.shape[0], 1, 1, h.shape[3]])));
  }
}
