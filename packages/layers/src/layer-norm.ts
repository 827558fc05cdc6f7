import * as tf from '@tensorflow/tfjs-core';
import { checkShape, checkSizes } from './check';
import { normalise } from './normalise';
import { parameter } from './parameter';

/**
 * Layer normalisation (Ba et al. 2016): mean 0 and variance 1 over the last axis, then a scale and shift for each
 * feature.
 * As PyTorch's `LayerNorm`: eps 1e-5, biased variance.
 */
export class LayerNorm {
  /** [features], initially 1. */
  readonly weight?: tf.Variable;
  /** [features], initially 0. */
  readonly bias?: tf.Variable;
  readonly features: number;
  readonly eps: number;

  /**
   * @param options.eps added to the variance
   * @param options.affine whether there is a scale and shift; true by default
   * @throws RangeError unless features is a whole number of at least 1.
   */
  constructor({ features, eps = 1e-5, affine = true }: { features: number; eps?: number; affine?: boolean }) {
    checkSizes('LayerNorm', { features });
    if (affine) {
      this.weight = parameter(new Float32Array(features).fill(1), [features]);
      this.bias = parameter(new Float32Array(features), [features]);
    }
    this.features = features;
    this.eps = eps;
  }

  /**
   * x: [..., features] → the same shape.
   * @throws RangeError if x has other features.
   */
  apply<T extends tf.Tensor>(x: T): T {
    checkShape('LayerNorm', x, ['...', this.features]);
    return tf.tidy(() => {
      const normalised = normalise(x, [x.rank - 1], this.eps);
      return (this.weight ? tf.add(tf.mul(normalised, this.weight), this.bias!) : normalised) as T;
    });
  }
}
