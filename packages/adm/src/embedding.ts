import { Linear, silu } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './blocks';

/** Two linear layers with SiLU between them: what is known of an image as what its blocks are told. */
export class EmbeddingMlp {
  readonly linear1: Linear;
  readonly linear2: Linear;

  constructor({ inFeatures, embDim, ...initial }: { inFeatures: number; embDim: number } & Initial) {
    this.linear1 = new Linear({ inFeatures, outFeatures: embDim, ...initial });
    this.linear2 = new Linear({ inFeatures: embDim, outFeatures: embDim, ...initial });
  }

  /** [n, inFeatures] → [n, embDim]. */
  apply(x: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => this.linear2.apply(silu(this.linear1.apply(x))));
  }
}
