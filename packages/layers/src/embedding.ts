import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { checkSizes } from './check';
import type { Init } from './init';
import { normalInit } from './init';
import { parameter } from './parameter';

/** Sizes and initial weights of an `Embedding`. */
export interface EmbeddingOptions {
  /** How many ids there are: 0 … numEmbeddings − 1. */
  numEmbeddings: number;
  /** Size of each vector. */
  embeddingDim: number;
  /** How the vectors begin; by default from N(0, 1), as PyTorch's. */
  init?: Init;
  /** Draws the initial vectors. */
  rng: Random;
}

/** A learned vector for each id: classes, tokens, positions. */
export class Embedding {
  /** [numEmbeddings, embeddingDim]. */
  readonly weight: tf.Variable;

  /** @throws RangeError unless every size is a whole number of at least 1. */
  constructor({ numEmbeddings, embeddingDim, init = normalInit(1), rng }: EmbeddingOptions) {
    checkSizes('Embedding', { numEmbeddings, embeddingDim });
    const values = init(rng, numEmbeddings * embeddingDim, { fanIn: numEmbeddings, fanOut: embeddingDim });
    this.weight = parameter(values, [numEmbeddings, embeddingDim]);
  }

  /**
   * ids: [n] int32, each from 0 to numEmbeddings − 1 → [n, embeddingDim]. @throws TypeError if the ids are not int32.
   */
  apply(ids: tf.Tensor1D): tf.Tensor2D;
  /**
   * ids: [n, length] int32, each from 0 to numEmbeddings − 1 → [n, length, embeddingDim]. @throws TypeError if the ids
   * are not int32.
   */
  apply(ids: tf.Tensor2D): tf.Tensor3D;
  apply(ids: tf.Tensor1D | tf.Tensor2D): tf.Tensor {
    if (ids.dtype !== 'int32') throw new TypeError(`Embedding: ids must be int32, got ${ids.dtype}`);
    return tf.tidy(() => tf.gather(this.weight, ids));
  }
}
