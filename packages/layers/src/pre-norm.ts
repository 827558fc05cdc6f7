import * as tf from '@tensorflow/tfjs-core';
import { checkImages, checkSizes } from './check';
import { GroupNorm } from './group-norm';
import type { Layer } from './residual';

/** fn(GroupNorm(x)), one group. */
export class PreNorm<Fn extends Layer = Layer> {
  readonly fn: Fn;
  readonly norm: GroupNorm;

  /** @throws RangeError unless dim is a whole number of at least 1. */
  constructor({ dim, fn }: { dim: number; fn: Fn }) {
    checkSizes('PreNorm', { dim });
    this.fn = fn;
    this.norm = new GroupNorm({ groups: 1, channels: dim });
  }

  /**
   * x: [n, h, w, dim] → what `fn` makes of it.
   * @throws RangeError if x is of another shape.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    checkImages('PreNorm', x, this.norm.weight.shape[0]);
    return tf.tidy(() => this.fn.apply(this.norm.apply(x)));
  }
}
