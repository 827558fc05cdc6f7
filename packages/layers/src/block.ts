import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { silu } from './activations';
import { Conv2d } from './conv2d';
import { GroupNorm } from './group-norm';

/** conv 3×3 → GroupNorm → optional x·(scale + 1) + shift → SiLU. */
export class Block {
  readonly proj: Conv2d;
  readonly norm: GroupNorm;

  /** @throws RangeError unless every size is a whole number of at least 1, and `groups` divides `dimOut`. */
  constructor({ dim, dimOut, groups = 8, rng }: { dim: number; dimOut: number; groups?: number; rng: Random }) {
    this.proj = new Conv2d({ inChannels: dim, outChannels: dimOut, kernelSize: 3, padding: 1, rng });
    this.norm = new GroupNorm({ groups, channels: dimOut });
  }

  /**
   * x: [n, h, w, dim] → [n, h, w, dimOut].
   * @param scaleShift scale and shift, each broadcastable to [n, h, w, dimOut]
   * @throws RangeError if x is of another shape.
   */
  apply(x: tf.Tensor4D, scaleShift?: readonly [scale: tf.Tensor, shift: tf.Tensor]): tf.Tensor4D {
    return tf.tidy(() => {
      let y = this.norm.apply(this.proj.apply(x));
      if (scaleShift) y = tf.add(tf.mul(y, tf.add(scaleShift[0], 1)), scaleShift[1]);
      return silu(y);
    });
  }
}
