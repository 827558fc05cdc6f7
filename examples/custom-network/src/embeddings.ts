import { Linear, normalInit, silu, sinusoidalEmbedding } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Where each patch lies: half of the features for its row, half for its column. Not learned, so any size of image will
 * do. → [rows·columns, dim].
 */
export function positionEmbedding(rows: number, columns: number, dim: number): tf.Tensor2D {
  const at = (count: number) => sinusoidalEmbedding(tf.range(0, count), { dim: dim / 2 });
  const row = tf.tile(tf.expandDims(at(rows), 1), [1, columns, 1]);
  const column = tf.tile(tf.expandDims(at(columns), 0), [rows, 1, 1]);
  return tf.reshape(tf.concat([row, column], 2), [rows * columns, dim]);
}

const SINUSOIDS = 256;

/** The noise level as a vector: an MLP of t's sinusoids. t: [n] → [n, dim]. */
export class TimestepEmbedding {
  readonly linear1: Linear;
  readonly linear2: Linear;

  constructor(dim: number, rng: Random) {
    const init = normalInit(0.02);
    this.linear1 = new Linear({ inFeatures: SINUSOIDS, outFeatures: dim, init, rng });
    this.linear2 = new Linear({ inFeatures: dim, outFeatures: dim, init, rng });
  }

  apply(t: tf.Tensor1D): tf.Tensor2D {
    return this.linear2.apply(silu(this.linear1.apply(sinusoidalEmbedding(t, { dim: SINUSOIDS, cosFirst: true }))));
  }
}
