import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkShape, checkSizes } from './check';
import type { Init } from './init';
import { biasParameter, weightParameter } from './parameter';
import type { TorchAxes } from './torch';

/** Sizes and initial weights of a `Linear`. */
export interface LinearOptions {
  /** Features of the input. */
  inFeatures: number;
  /** Features of the output. */
  outFeatures: number;
  /** Whether a number is added to each output feature; true by default. */
  bias?: boolean;
  /** How the weight begins, beside a bias of 0; by default both begin as PyTorch's. */
  init?: Init;
  /** Draws the initial weights. */
  rng: Random;
}

/** y = x W + b over the last axis. */
export class Linear {
  /** (out, in). */
  static readonly torchAxes: TorchAxes = { weight: [1, 0] };
  /** [inFeatures, outFeatures]. */
  readonly weight: tf.Variable;
  /** [outFeatures]. */
  readonly bias?: tf.Variable;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ inFeatures, outFeatures, bias = true, init, rng }: LinearOptions) {
    checkSizes('Linear', { inFeatures, outFeatures });
    const fans = { fanIn: inFeatures, fanOut: outFeatures };
    this.weight = weightParameter(rng, [inFeatures, outFeatures], fans, init);
    if (bias) this.bias = biasParameter(rng, outFeatures, fans, init);
  }

  /**
   * x: [..., inFeatures] → [..., outFeatures].
   * @throws RangeError if x has other features.
   */
  apply<T extends tf.Tensor>(x: T): T {
    const [inFeatures, outFeatures] = this.weight.shape;
    checkShape('Linear', x, ['...', inFeatures]);
    return tf.tidy(() => {
      const rows = tf.matMul(tf.reshape(x, [x.size / inFeatures, inFeatures]), this.weight);
      return tf.reshape(this.bias ? tf.add(rows, this.bias) : rows, [...x.shape.slice(0, -1), outFeatures]) as T;
    });
  }
}
