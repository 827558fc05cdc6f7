import { Conv2d, averagePool, upsampleNearest } from '@ddpm/layers';
import type { Dropout, Init } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Height and width changed by a factor of 2, or not. */
export type Resampling = 'up' | 'down';

/** A layer that changes the size between two levels; `emb` is what blocks are told of the noise level and the class. */
export interface Resampler {
  /** @param size height and width that the way up leads to */
  apply(x: tf.Tensor4D, emb: tf.Tensor2D, dropout?: Dropout, size?: readonly [h: number, w: number]): tf.Tensor4D;
}

/** Without parameters: the mean of four pixels, or each pixel four times. */
export const resample = (x: tf.Tensor4D, direction: Resampling): tf.Tensor4D =>
  direction === 'up' ? upsampleNearest(x) : averagePool(x);

/** A resampler without parameters. */
export const plainResampler = (direction: Resampling): Resampler => ({ apply: (x) => resample(x, direction) });

/** Half the size by a 3×3 convolution of stride 2. */
export class ConvDownsample implements Resampler {
  readonly conv: Conv2d;

  /** @param options.padding 1 on every side by default; Ho et al. pad by [0, 1] */
  constructor({
    channels,
    padding = 1,
    ...initial
  }: { channels: number; padding?: number | readonly [number, number] } & Initial) {
    this.conv = new Conv2d({
      inChannels: channels,
      outChannels: channels,
      kernelSize: 3,
      stride: 2,
      padding,
      ...initial,
    });
  }

  /** x: [n, h, w, channels] → [n, h/2, w/2, channels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return this.conv.apply(x);
  }
}

/** Twice the size: nearest neighbours, then a 3×3 convolution. */
export class ConvUpsample implements Resampler {
  readonly conv: Conv2d;

  constructor({ channels, ...initial }: { channels: number } & Initial) {
    this.conv = new Conv2d({ inChannels: channels, outChannels: channels, kernelSize: 3, padding: 1, ...initial });
  }

  /** x: [n, h, w, channels] → [n, 2h, 2w, channels], or one row or column less, by the size. */
  apply(x: tf.Tensor4D, _emb?: tf.Tensor2D, _dropout?: Dropout, size?: readonly [h: number, w: number]): tf.Tensor4D {
    return tf.tidy(() => {
      const twice = upsampleNearest(x);
      const [n, h, w, c] = twice.shape;
      const whole = !size || (size[0] === h && size[1] === w);
      return this.conv.apply(whole ? twice : tf.slice(twice, [0, 0, 0, 0], [n, ...size, c]));
    });
  }
}

/** Where the initial weights come from. */
export interface Initial {
  /** How weights begin; by default as PyTorch's. */
  init?: Init;
  /** Draws them. */
  rng: Random;
}
