import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { Attention } from './attention';
import { gelu, layerNorm, modulate, silu } from './functions';
import { Linear } from './linear';

/** Cuts what a condition says into so many parts, each for all tokens: [n, parts·dim] → parts of [n, 1, dim]. */
export const parts = (modulation: tf.Tensor2D, count: number): tf.Tensor3D[] => tf.split(tf.expandDims(modulation, 1), count, 2);

/**
 * A DiT block with adaLN-Zero (Peebles & Xie 2023, §3.2 and fig. 3): attention, then an MLP over each token, both normalised, scaled,
 * shifted and gated by what the condition says. The gates begin at zero, so that the block begins as the identity.
 */
export class DitBlock {
  readonly attention: Attention;
  readonly mlp: { readonly linear1: Linear; readonly linear2: Linear };
  readonly adaLn: Linear;

  constructor(dim: number, { heads, mlpRatio, rng }: { heads: number; mlpRatio: number; rng: Random }) {
    this.attention = new Attention(dim, heads, rng);
    this.mlp = { linear1: new Linear(dim, mlpRatio * dim, rng), linear2: new Linear(mlpRatio * dim, dim, rng) };
    this.adaLn = new Linear(dim, 6 * dim, rng, 'zeros');
  }

  /** x: [n, tokens, dim], condition: [n, dim] → [n, tokens, dim]. */
  apply(x: tf.Tensor3D, condition: tf.Tensor2D): tf.Tensor3D {
    const { attention, mlp } = this;
    const [shift1, scale1, gate1, shift2, scale2, gate2] = parts(this.adaLn.apply(silu(condition)), 6);
    const attended = tf.add<tf.Tensor3D>(x, tf.mul(gate1, attention.apply(modulate(layerNorm(x), shift1, scale1))));
    const hidden = gelu(mlp.linear1.apply(modulate(layerNorm(attended), shift2, scale2)));
    return tf.add(attended, tf.mul(gate2, mlp.linear2.apply(hidden)));
  }
}
