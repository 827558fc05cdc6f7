import { geluTanh, LayerNorm, Linear, MultiHeadAttention, silu, xavierInit, zeroInit } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { modulate, parts } from './modulate';

/**
 * A DiT block with adaLN-Zero (Peebles & Xie 2023, §3.2 and fig. 3): attention, then an MLP over each token, both
 * normalised, scaled, shifted and gated by what the condition says. The gates begin at zero, so that the block begins
 * as the identity.
 */
export class DitBlock {
  readonly norm: LayerNorm;
  readonly attention: MultiHeadAttention;
  readonly mlp: { readonly linear1: Linear; readonly linear2: Linear };
  readonly adaLn: Linear;

  constructor(dim: number, { heads, mlpRatio, rng }: { heads: number; mlpRatio: number; rng: Random }) {
    const linear = (inFeatures: number, outFeatures: number, init = xavierInit) =>
      new Linear({ inFeatures, outFeatures, init, rng });
    // Without a scale and shift of its own: those come from the condition.
    this.norm = new LayerNorm({ features: dim, eps: 1e-6, affine: false });
    this.attention = new MultiHeadAttention({ dim, heads, init: xavierInit, rng });
    this.mlp = { linear1: linear(dim, mlpRatio * dim), linear2: linear(mlpRatio * dim, dim) };
    this.adaLn = linear(dim, 6 * dim, zeroInit);
  }

  /** x: [n, tokens, dim], condition: [n, dim] → [n, tokens, dim]. */
  apply(x: tf.Tensor3D, condition: tf.Tensor2D): tf.Tensor3D {
    const { norm, attention, mlp } = this;
    const [shift1, scale1, gate1, shift2, scale2, gate2] = parts(this.adaLn.apply(silu(condition)), 6);
    const attended = tf.add<tf.Tensor3D>(x, tf.mul(gate1, attention.apply(modulate(norm.apply(x), shift1, scale1))));
    const hidden = geluTanh(mlp.linear1.apply(modulate(norm.apply(attended), shift2, scale2)));
    return tf.add(attended, tf.mul(gate2, mlp.linear2.apply(hidden)));
  }
}
