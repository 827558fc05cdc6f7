import type { Random } from '@ddpm/random';
import type * as tf from '@tensorflow/tfjs-core';
import { checkImages, checkSizes } from './check';
import { Conv2d } from './conv2d';
import { ConvTranspose2d } from './conv-transpose2d';

/** Halves height and width: a convolution with kernel 4, stride 2, padding 1. */
export class Downsample extends Conv2d {
  /** @throws RangeError unless dim is a whole number of at least 1. */
  constructor({ dim, rng }: { dim: number; rng: Random }) {
    checkSizes('Downsample', { dim });
    super({ inChannels: dim, outChannels: dim, kernelSize: 4, stride: 2, padding: 1, rng });
  }

  /**
   * x: [n, h, w, dim] → [n, ⌊h/2⌋, ⌊w/2⌋, dim].
   * @throws RangeError if x has other channels.
   */
  override apply(x: tf.Tensor4D): tf.Tensor4D {
    checkImages('Downsample', x, this.weight.shape[2]!);
    return super.apply(x);
  }
}

/** Doubles height and width: a transposed convolution with kernel 4, stride 2, padding 1. */
export class Upsample extends ConvTranspose2d {
  /** @throws RangeError unless dim is a whole number of at least 1. */
  constructor({ dim, rng }: { dim: number; rng: Random }) {
    checkSizes('Upsample', { dim });
    super({ inChannels: dim, outChannels: dim, kernelSize: 4, stride: 2, padding: 1, rng });
  }

  /**
   * x: [n, h, w, dim] → [n, 2h, 2w, dim].
   * @throws RangeError if x has other channels.
   */
  override apply(x: tf.Tensor4D): tf.Tensor4D {
    checkImages('Upsample', x, this.weight.shape[3]!);
    return super.apply(x);
  }
}
