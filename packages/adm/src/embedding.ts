import { Linear, silu } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './blocks';
import type { Activation } from './res-block';

/** Two linear layers with SiLU, or another function, between them: what is known of an image as what its blocks are told. */
export class EmbeddingMlp {
  readonly linear1: Linear;
  readonly linear2: Linear;
  private readonly activation: Activation;

  constructor({
    inFeatures,
    embDim,
    activation = silu,
    ...initial
  }: { inFeatures: number; embDim: number; activation?: Activation } & Initial) {
    this.linear1 = new Linear({ inFeatures, outFeatures: embDim, ...initial });
    this.linear2 = new Linear({ inFeatures: embDim, outFeatures: embDim, ...initial });
    this.activation = activation;
  }

  /** [n, inFeatures] → [n, embDim]. */
  apply(x: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => this.linear2.apply(this.activation(this.linear1.apply(x))));
  }
}
