import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { silu } from './activations';
import { addTime } from './add-time';
import { Block } from './block';
import { checkDivides, checkImages, checkSizes } from './check';
import { Conv2d } from './conv2d';
import { Linear } from './linear';

/**
 * Two `Block`s with a residual connection (He et al. 2015); the time embedding, through SiLU and a linear layer, is
 * added between them.
 */
export class ResnetBlock {
  /** timeEmbDim → dimOut. */
  readonly mlp?: Linear;
  readonly block1: Block;
  readonly block2: Block;
  /** 1×1, where the widths differ. */
  readonly resConv?: Conv2d;

  /**
   * @param options.timeEmbDim size of the time embedding; without it the block is not told the time
   * @param options.groups of both norms
   * @throws RangeError unless every size is a whole number of at least 1, and `groups` divides `dimOut`.
   */
  constructor({
    dim,
    dimOut,
    timeEmbDim,
    groups = 8,
    rng,
  }: {
    dim: number;
    dimOut: number;
    timeEmbDim?: number;
    groups?: number;
    rng: Random;
  }) {
    checkSizes('ResnetBlock', { dim, dimOut, groups });
    if (timeEmbDim !== undefined) checkSizes('ResnetBlock', { timeEmbDim });
    checkDivides('ResnetBlock', ['dimOut', dimOut], ['groups', groups]);
    if (timeEmbDim !== undefined) this.mlp = new Linear({ inFeatures: timeEmbDim, outFeatures: dimOut, rng });
    this.block1 = new Block({ dim, dimOut, groups, rng });
    this.block2 = new Block({ dim: dimOut, dimOut, groups, rng });
    if (dim !== dimOut) this.resConv = new Conv2d({ inChannels: dim, outChannels: dimOut, kernelSize: 1, rng });
  }

  /**
   * x: [n, h, w, dim], timeEmb: [n, timeEmbDim] → [n, h, w, dimOut].
   * @throws RangeError if either is of another shape, TypeError if the time embedding is missing or is not expected.
   */
  apply(x: tf.Tensor4D, timeEmb?: tf.Tensor2D): tf.Tensor4D {
    checkImages('ResnetBlock', x, this.block1.proj.weight.shape[2]!);
    return tf.tidy(() => {
      const h = this.block2.apply(addTime('ResnetBlock', this.block1.apply(x), this.mlp, silu, timeEmb));
      return tf.add(h, this.resConv ? this.resConv.apply(x) : x);
    });
  }
}
