import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { silu } from './functions';
import { Linear } from './linear';

/** cos and sin of position · 10000^(−i/half), i = 0 … half − 1 (Vaswani et al. 2017, §3.5). positions: [m] → [m, 2·half]. */
function sinusoids(positions: tf.Tensor1D, half: number): tf.Tensor2D {
  const frequencies = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half));
  const angles = tf.mul(tf.expandDims(tf.cast(positions, 'float32'), 1), tf.tensor2d(frequencies, [1, half]));
  return tf.concat([tf.cos(angles), tf.sin(angles)], 1) as tf.Tensor2D;
}

/** Where each patch lies: half of the features for its row, half for its column. Not learned, so any size of image will do. → [rows·columns, dim]. */
export function positionEmbedding(rows: number, columns: number, dim: number): tf.Tensor2D {
  const at = (count: number) => sinusoids(tf.range(0, count), dim / 4);
  const row = tf.tile(tf.expandDims(at(rows), 1), [1, columns, 1]);
  const column = tf.tile(tf.expandDims(at(columns), 0), [rows, 1, 1]);
  return tf.reshape(tf.concat([row, column], 2), [rows * columns, dim]);
}

const FREQUENCIES = 128;

/** The noise level as a vector: an MLP of t's sinusoids. t: [n] → [n, dim]. */
export class TimestepEmbedding {
  readonly linear1: Linear;
  readonly linear2: Linear;

  constructor(dim: number, rng: Random) {
    this.linear1 = new Linear(2 * FREQUENCIES, dim, rng, 'normal');
    this.linear2 = new Linear(dim, dim, rng, 'normal');
  }

  apply(t: tf.Tensor1D): tf.Tensor2D {
    return this.linear2.apply(silu(this.linear1.apply(sinusoids(t, FREQUENCIES))));
  }
}
