import * as tf from '@tensorflow/tfjs-core';
import { GroupNorm } from './group-norm';
import type { Layer } from './residual';

/** fn(GroupNorm(x)), one group. */
export class PreNorm<Fn extends Layer = Layer> {
  readonly fn: Fn;
  readonly norm: GroupNorm;

  constructor({ dim, fn }: { dim: number; fn: Fn }) {
    this.fn = fn;
    this.norm = new GroupNorm({ groups: 1, channels: dim });
  }

  /** x: [n, h, w, dim] → what `fn` makes of it. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => this.fn.apply(this.norm.apply(x)));
  }
}
