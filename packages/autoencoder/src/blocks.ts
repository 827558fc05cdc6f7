import { attend, Conv2d, GroupNorm, Linear, silu, upsampleNearest } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Added to the norms' variances, as Rombach et al. have it. */
export const EPS = 1e-6;

/** GroupNorm → SiLU → conv 3×3, twice, with a residual connection. */
export class ResnetBlock {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  /** 1×1, where the channels change. */
  readonly convShortcut?: Conv2d;

  constructor({ inChannels, outChannels, groups, rng }: { inChannels: number; outChannels: number } & Common) {
    this.norm1 = new GroupNorm({ groups, channels: inChannels, eps: EPS });
    this.conv1 = conv3({ inChannels, outChannels, rng });
    this.norm2 = new GroupNorm({ groups, channels: outChannels, eps: EPS });
    this.conv2 = conv3({ inChannels: outChannels, outChannels, rng });
    if (inChannels !== outChannels) this.convShortcut = new Conv2d({ inChannels, outChannels, kernelSize: 1, rng });
  }

  /** x: [n, h, w, inChannels] → [n, h, w, outChannels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const h = this.conv1.apply(silu(this.norm1.apply(x)));
      const residual = this.conv2.apply(silu(this.norm2.apply(h)));
      return tf.add(this.convShortcut?.apply(x) ?? x, residual);
    });
  }
}

/** x + attention(GroupNorm(x)) over all positions, with one head. */
export class AttentionBlock {
  readonly groupNorm: GroupNorm;
  readonly toQ: Linear;
  readonly toK: Linear;
  readonly toV: Linear;
  readonly toOut: readonly [Linear];

  constructor({ channels, groups, rng }: { channels: number } & Common) {
    const linear = () => new Linear({ inFeatures: channels, outFeatures: channels, rng });
    this.groupNorm = new GroupNorm({ groups, channels, eps: EPS });
    [this.toQ, this.toK, this.toV] = [linear(), linear(), linear()];
    this.toOut = [linear()];
  }

  /** x: [n, h, w, channels] → [n, h, w, channels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const [n, h, w, c] = x.shape;
      const normed = tf.reshape<tf.Rank.R4>(this.groupNorm.apply(x), [n, 1, h * w, c]);
      const attended = attend(this.toQ.apply(normed), this.toK.apply(normed), this.toV.apply(normed));
      return tf.add(x, tf.reshape(this.toOut[0].apply(attended), x.shape));
    });
  }
}

/** The middle of an encoder or decoder, at the smallest size: two residual blocks, with attention between them. */
export class MidBlock {
  readonly resnets: readonly [ResnetBlock, ResnetBlock];
  readonly attentions?: readonly [AttentionBlock];

  constructor({ channels, attention, ...common }: { channels: number; attention: boolean } & Common) {
    const block = () => new ResnetBlock({ inChannels: channels, outChannels: channels, ...common });
    this.resnets = [block(), block()];
    if (attention) this.attentions = [new AttentionBlock({ channels, ...common })];
  }

  /** x: [n, h, w, channels] → [n, h, w, channels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const h = this.resnets[0].apply(x);
      return this.resnets[1].apply(this.attentions?.[0].apply(h) ?? h);
    });
  }
}

/** Half the size: a 3×3 convolution of stride 2, padded below and to the right. */
export class Downsample {
  readonly conv: Conv2d;

  constructor({ channels, rng }: { channels: number; rng: Random }) {
    const sizes = { inChannels: channels, outChannels: channels, kernelSize: 3 };
    this.conv = new Conv2d({ ...sizes, stride: 2, padding: [0, 1], rng });
  }

  /** x: [n, h, w, channels] → [n, h/2, w/2, channels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return this.conv.apply(x);
  }
}

/** Twice the size: nearest neighbours, then a 3×3 convolution. */
export class Upsample {
  readonly conv: Conv2d;

  constructor({ channels, rng }: { channels: number; rng: Random }) {
    this.conv = conv3({ inChannels: channels, outChannels: channels, rng });
  }

  /** x: [n, h, w, channels] → [n, 2h, 2w, channels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => this.conv.apply(upsampleNearest(x)));
  }
}

/** 3×3, which keeps the size. */
export const conv3 = (options: { inChannels: number; outChannels: number; rng: Random }): Conv2d =>
  new Conv2d({ ...options, kernelSize: 3, padding: 1 });

/** Options that all blocks of a network have in common. */
export interface Common {
  /** Groups of the norms. */
  readonly groups: number;
  /** Draws the initial weights. */
  readonly rng: Random;
}
