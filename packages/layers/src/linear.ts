import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkChannels, checkSizes } from './check';
import { uniformParameter } from './parameter';
import type { TorchAxes } from './torch';

/** y = x W + b, with PyTorch's initialisation. */
export class Linear {
  /** (out, in). */
  static readonly torchAxes: TorchAxes = { weight: [1, 0] };
  /** [inFeatures, outFeatures]. */
  readonly weight: tf.Variable;
  /** [outFeatures]. */
  readonly bias: tf.Variable;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ inFeatures, outFeatures, rng }: { inFeatures: number; outFeatures: number; rng: Random }) {
    checkSizes('Linear', { inFeatures, outFeatures });
    this.weight = uniformParameter(rng, [inFeatures, outFeatures], inFeatures);
    this.bias = uniformParameter(rng, [outFeatures], inFeatures);
  }

  /**
   * x: [n, inFeatures] → [n, outFeatures].
   * @throws RangeError if x is of another shape.
   */
  apply(x: tf.Tensor2D): tf.Tensor2D {
    checkChannels('Linear', x, 2, this.weight.shape[0]);
    return tf.tidy(() => tf.add(tf.matMul(x, this.weight as tf.Tensor2D), this.bias));
  }
}
