import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Initial weights of a linear layer: Xavier's U(−a, a) with a = √(6 / (fan in + fan out)), N(0, 0.02²), or zeros. */
export type Init = 'xavier' | 'normal' | 'zeros';

const draw: Readonly<Record<Init, (rng: Random, from: number, to: number) => Float32Array>> = {
  xavier(rng, from, to) {
    const bound = Math.sqrt(6 / (from + to));
    return Float32Array.from({ length: from * to }, () => (2 * rng.uniform() - 1) * bound);
  },
  normal: (rng, from, to) => rng.normals(from * to).map((z) => 0.02 * z),
  zeros: (_, from, to) => new Float32Array(from * to),
};

/** y = x W + b over the last axis: [..., from] → [..., to]. */
export class Linear {
  /** [from, to]. */
  readonly weight: tf.Variable<tf.Rank.R2>;
  /** [to], initially 0. */
  readonly bias: tf.Variable<tf.Rank.R1>;

  constructor(from: number, to: number, rng: Random, init: Init = 'xavier') {
    // Inside tidy, so that only the variables outlive the call.
    this.weight = tf.tidy(() => tf.variable(tf.tensor2d(draw[init](rng, from, to), [from, to])));
    this.bias = tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R1>([to])));
  }

  apply<T extends tf.Tensor>(x: T): T {
    const [from, to] = this.weight.shape;
    const rows = tf.reshape<tf.Rank.R2>(x, [-1, from]);
    return tf.reshape(tf.add(tf.matMul(rows, this.weight), this.bias), [...x.shape.slice(0, -1), to]) as T;
  }
}
