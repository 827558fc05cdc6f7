import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import {
  causalMask,
  Embedding,
  gelu,
  geluTanh,
  LayerNorm,
  Linear,
  MultiHeadAttention,
  paddingMask,
  quickGelu,
  silu,
} from '../src/index';

/* For tests: what makes the cases of sequences.safetensors. */

export interface Module {
  apply(...inputs: tf.Tensor[]): tf.Tensor;
}

const rng = new Random(1);

/** An attention's parameters, called otherwise than with a sequence alone. */
function attending(
  attention: MultiHeadAttention,
  call: (attention: MultiHeadAttention, x: tf.Tensor3D, ...others: tf.Tensor[]) => tf.Tensor,
): Module {
  return { ...attention, apply: (x, ...others) => tf.tidy(() => call(attention, x as tf.Tensor3D, ...others)) };
}

/** CLIP's text encoder (Radford et al. 2021) with one small block. */
class TextEncoder {
  readonly token: Embedding;
  readonly position: Embedding;
  readonly norm1 = new LayerNorm({ features: 8 });
  readonly attention: MultiHeadAttention;
  readonly norm2 = new LayerNorm({ features: 8 });
  readonly up: Linear;
  readonly down: Linear;
  readonly final = new LayerNorm({ features: 8 });

  constructor(rng: Random) {
    this.token = new Embedding({ numEmbeddings: 9, embeddingDim: 8, rng });
    this.position = new Embedding({ numEmbeddings: 4, embeddingDim: 8, rng });
    this.attention = new MultiHeadAttention({ dim: 8, heads: 2, rng });
    this.up = new Linear({ inFeatures: 8, outFeatures: 16, rng });
    this.down = new Linear({ inFeatures: 16, outFeatures: 8, rng });
  }

  /** ids, present: [n, 4] int32 → [n, 4, 8]. */
  apply(ids: tf.Tensor, present: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const mask = tf.add(paddingMask(present as tf.Tensor2D), causalMask(4));
      const embedded = tf.add<tf.Tensor3D>(
        this.token.apply(ids as tf.Tensor2D),
        this.position.apply(tf.range(0, 4, 1, 'int32')),
      );
      const attended = tf.add<tf.Tensor3D>(embedded, this.attention.apply(this.norm1.apply(embedded), { mask }));
      return this.final.apply(tf.add(attended, this.down.apply(quickGelu(this.up.apply(this.norm2.apply(attended))))));
    });
  }
}

/** By name, a layer whose output and gradients sequences.safetensors holds; its float inputs come before the others. */
export const sequences: Readonly<Record<string, () => unknown>> = {
  linear: () => new Linear({ inFeatures: 5, outFeatures: 7, rng }),
  linear_no_bias: () => new Linear({ inFeatures: 5, outFeatures: 7, bias: false, rng }),
  layer_norm: () => new LayerNorm({ features: 6 }),
  layer_norm_no_affine: () => new LayerNorm({ features: 6, eps: 1e-2, affine: false }),
  embedding: () => new Embedding({ numEmbeddings: 11, embeddingDim: 6, rng }),
  silu: () => ({ apply: silu }),
  gelu: () => ({ apply: gelu }),
  gelu_tanh: () => ({ apply: geluTanh }),
  quick_gelu: () => ({ apply: quickGelu }),
  attention_self: () => new MultiHeadAttention({ dim: 8, heads: 2, rng }),
  attention_masked: () =>
    attending(new MultiHeadAttention({ dim: 8, heads: 2, rng }), (attention, x, present) =>
      attention.apply(x, { mask: tf.add(paddingMask(present as tf.Tensor2D), causalMask(4)) }),
    ),
  attention_cross: () =>
    attending(new MultiHeadAttention({ dim: 8, heads: 4, contextDim: 6, rng }), (attention, x, context, present) =>
      attention.apply(x, { context: context as tf.Tensor3D, mask: paddingMask(present as tf.Tensor2D) }),
    ),
  attention_wide: () =>
    attending(
      new MultiHeadAttention({ dim: 8, heads: 2, dimHead: 5, contextDim: 6, qkvBias: false, rng }),
      (attention, x, context) => attention.apply(x, { context: context as tf.Tensor3D }),
    ),
  text: () => new TextEncoder(rng),
};
