import type { Dropout } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import { Conv2d, Linear, RmsNorm, silu } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';

/** conv 3×3 → RMSNorm → SiLU. */
export class Block {
  readonly proj: Conv2d;
  readonly norm: RmsNorm;

  constructor({ dim, dimOut, rng }: { readonly dim: number; readonly dimOut: number; readonly rng: Random }) {
    this.proj = new Conv2d({ inChannels: dim, outChannels: dimOut, kernelSize: 3, padding: 1, rng });
    this.norm = new RmsNorm({ channels: dimOut });
  }

  /** x: [n, h, w, dim] → [n, h, w, dimOut], between norm and SiLU times scale + 1, and shifted, [n, 1, 1, dimOut] both. */
  apply(x: tf.Tensor4D, [scale, shift]: readonly tf.Tensor[] = []): tf.Tensor4D {
    const normed = this.norm.apply(this.proj.apply(x));
    return silu(scale ? tf.add<tf.Tensor4D>(tf.mul(normed, tf.add(scale, 1)), shift) : normed);
  }
}

/** Two blocks with a residual connection; the time embedding scales and shifts the first one's features. */
export class ResnetBlock {
  /** timeEmbDim → the scale and the shift, 2·dimOut. */
  readonly mlp: Linear;
  readonly block1: Block;
  readonly block2: Block;
  /** 1×1, where the widths differ. */
  readonly resConv?: Conv2d;

  constructor({
    dim,
    dimOut,
    timeEmbDim,
    rng,
  }: {
    readonly dim: number;
    readonly dimOut: number;
    readonly timeEmbDim: number;
    readonly rng: Random;
  }) {
    this.mlp = new Linear({ inFeatures: timeEmbDim, outFeatures: 2 * dimOut, rng });
    this.block1 = new Block({ dim, dimOut, rng });
    this.block2 = new Block({ dim: dimOut, dimOut, rng });
    if (dim !== dimOut) this.resConv = new Conv2d({ inChannels: dim, outChannels: dimOut, kernelSize: 1, rng });
  }

  /** x: [n, h, w, dim], the time embedding after SiLU: [n, timeEmbDim] → [n, h, w, dimOut]; what dropout drops is of the first block. */
  apply(x: tf.Tensor4D, timeEmb: tf.Tensor2D, dropout: Dropout = (h) => h): tf.Tensor4D {
    return tf.tidy(() => {
      const [n] = x.shape;
      const scaleShift = tf.split(tf.reshape(this.mlp.apply(timeEmb), [n, 1, 1, this.mlp.weight.shape[1]!]), 2, 3);
      const h = this.block2.apply(dropout(this.block1.apply(x, scaleShift)));
      return tf.add(h, this.resConv ? this.resConv.apply(x) : x);
    });
  }

  /** How many values of an image of a size dropout may drop. */
  droppable(pixels: number): number {
    return pixels * this.block2.norm.g.size;
  }
}
