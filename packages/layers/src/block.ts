import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { silu } from './activations';
import { checkDivides, checkImages, checkSizes } from './check';
import { Conv2d } from './conv2d';
import { GroupNorm } from './group-norm';

/** conv 3×3 → GroupNorm → SiLU. */
export class Block {
  readonly proj: Conv2d;
  readonly norm: GroupNorm;

  /** @throws RangeError unless every size is a whole number of at least 1, and `groups` divides `dimOut`. */
  constructor({ dim, dimOut, groups = 8, rng }: { dim: number; dimOut: number; groups?: number; rng: Random }) {
    checkSizes('Block', { dim, dimOut, groups });
    checkDivides('Block', ['dimOut', dimOut], ['groups', groups]);
    this.proj = new Conv2d({ inChannels: dim, outChannels: dimOut, kernelSize: 3, padding: 1, rng });
    this.norm = new GroupNorm({ groups, channels: dimOut });
  }

  /**
   * x: [n, h, w, dim] → [n, h, w, dimOut].
   * @throws RangeError if x is of another shape.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    checkImages('Block', x, this.proj.weight.shape[2]!);
    return tf.tidy(() => silu(this.norm.apply(this.proj.apply(x))));
  }
}
