import type { Init } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import { LayerNorm, Linear, MultiHeadAttention, gelu } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';

/** Sizes of a `TransformerBlock`, and its variety. */
export interface TransformerBlockOptions {
  /** Features in and out. */
  width: number;
  /** How many heads its attention has. */
  heads: number;
  /** Features between its two linear layers; 4·width by default. */
  hidden?: number;
  /** Between them; the exact GELU by default. */
  activation?: (x: tf.Tensor3D) => tf.Tensor3D;
  /**
   * Whether a norm follows each sum (Vaswani et al. 2017, BERT), or stands at the beginning of each branch (GPT, CLIP);
   * false by default.
   */
  postNorm?: boolean;
  /** Added to the norms' variances; 1e-5 by default. */
  eps?: number;
  /** How the weights begin, beside biases of 0; by default all begin as PyTorch's. */
  init?: Init;
  /** Draws the initial weights. */
  rng: Random;
}

/** Self-attention and two linear layers, each with a residual connection and a norm (Vaswani et al. 2017, §3.1). */
export class TransformerBlock {
  readonly norm1: LayerNorm;
  readonly attention: MultiHeadAttention;
  readonly norm2: LayerNorm;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly postNorm: boolean;
  private readonly activation: (x: tf.Tensor3D) => tf.Tensor3D;

  /** @throws RangeError unless every size is a whole number of at least 1, and heads divides width. */
  constructor({
    width,
    heads,
    hidden = 4 * width,
    activation = gelu,
    postNorm = false,
    eps,
    init,
    rng,
  }: TransformerBlockOptions) {
    this.norm1 = new LayerNorm({ features: width, eps });
    this.attention = new MultiHeadAttention({ dim: width, heads, init, rng });
    this.norm2 = new LayerNorm({ features: width, eps });
    this.linear1 = new Linear({ inFeatures: width, outFeatures: hidden, init, rng });
    this.linear2 = new Linear({ inFeatures: hidden, outFeatures: width, init, rng });
    this.postNorm = postNorm;
    this.activation = activation;
  }

  /**
   * x: [n, length, width] → [n, length, width].
   * @param mask as `MultiHeadAttention`'s
   */
  apply(x: tf.Tensor3D, mask?: tf.Tensor): tf.Tensor3D {
    return tf.tidy(() => {
      const { norm1, norm2 } = this;
      const attended = (y: tf.Tensor3D) => this.attention.apply(y, { mask });
      const mapped = (y: tf.Tensor3D) => this.linear2.apply(this.activation(this.linear1.apply(y)));
      if (this.postNorm) {
        const h = norm1.apply<tf.Tensor3D>(tf.add(x, attended(x)));
        return norm2.apply<tf.Tensor3D>(tf.add(h, mapped(h)));
      }
      const h = tf.add<tf.Tensor3D>(x, attended(norm1.apply(x)));
      return tf.add<tf.Tensor3D>(h, mapped(norm2.apply(h)));
    });
  }
}
