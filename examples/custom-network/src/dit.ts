import { Embedding, LayerNorm, Linear, normalInit, silu, xavierInit, zeroInit } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { DitBlock } from './block';
import { positionEmbedding, TimestepEmbedding } from './embeddings';
import { modulate, parts } from './modulate';
import { patchify, unpatchify } from './patches';

export interface DitOptions {
  /** Of the images; the trainer tells. */
  channels?: number;
  /** The initial weights are a function of it; the trainer tells. */
  seed?: number;
  /** Height and width of a patch, in pixels; must divide those of the images. */
  patchSize?: number;
  /** Features of each token, a multiple of 4 and of heads. */
  dim?: number;
  /** Blocks. */
  depth?: number;
  /** Of the attention. */
  heads?: number;
  /** Inner width of the MLPs, as a multiple of dim. */
  mlpRatio?: number;
  /** How many classes the images have, one of which it is told as `label`; 0 for a network that is told none. */
  classes?: number;
}

/**
 * A diffusion transformer (Peebles & Xie 2023, "Scalable Diffusion Models with Transformers", arXiv:2212.09748):
 * patches become tokens, go through blocks that are told t and perhaps the image's class, and become patches again.
 * Initialised as in the paper, so that its output begins at zero.
 *
 * xt: [n, h, w, channels], t: [n], label: [n] int32 → [n, h, w, channels]; h and w multiples of patchSize.
 * @throws RangeError or TypeError if the options are not possible
 */
export class Dit {
  readonly patchEmbedding: Linear;
  readonly timestepEmbedding: TimestepEmbedding;
  readonly labelEmbedding?: Embedding;
  readonly conditions: readonly string[];
  readonly blocks: readonly DitBlock[];
  readonly final: { readonly norm: LayerNorm; readonly adaLn: Linear; readonly linear: Linear };
  readonly patchSize: number;

  constructor({
    channels = 1,
    seed = 0,
    patchSize = 4,
    dim = 128,
    depth = 4,
    heads = 4,
    mlpRatio = 4,
    classes = 0,
    ...unknown
  }: DitOptions = {}) {
    const [name] = Object.keys(unknown);
    if (name !== undefined) throw new TypeError(`Dit: there is no option ${name}`);
    if (!Number.isInteger(classes) || classes < 0)
      throw new RangeError(`Dit: classes must be a whole number of at least 0, got ${classes}`);
    for (const [name, value] of Object.entries({ channels, patchSize, dim, depth, heads, mlpRatio })) {
      if (!Number.isInteger(value) || value < 1)
        throw new RangeError(`Dit: ${name} must be a whole number of at least 1, got ${value}`);
    }
    if (dim % 4 !== 0 || dim % heads !== 0)
      throw new RangeError(`Dit: dim (${dim}) must be a multiple of 4 and of heads (${heads})`);
    const rng = new Random(seed);
    const patch = patchSize * patchSize * channels;
    const zeros = (inFeatures: number, outFeatures: number) =>
      new Linear({ inFeatures, outFeatures, init: zeroInit, rng });
    this.patchEmbedding = new Linear({ inFeatures: patch, outFeatures: dim, init: xavierInit, rng });
    this.timestepEmbedding = new TimestepEmbedding(dim, rng);
    if (classes > 0)
      this.labelEmbedding = new Embedding({ numEmbeddings: classes, embeddingDim: dim, init: normalInit(0.02), rng });
    this.conditions = classes > 0 ? ['label'] : [];
    this.blocks = Array.from({ length: depth }, () => new DitBlock(dim, { heads, mlpRatio, rng }));
    const norm = new LayerNorm({ features: dim, eps: 1e-6, affine: false });
    this.final = { norm, adaLn: zeros(dim, 2 * dim), linear: zeros(dim, patch) };
    this.patchSize = patchSize;
  }

  apply(xt: tf.Tensor4D, t: tf.Tensor1D, { label }: Readonly<Record<string, tf.Tensor>> = {}): tf.Tensor4D {
    const { patchSize: p, final } = this;
    const [, h, w] = xt.shape;
    if (h % p !== 0 || w % p !== 0)
      throw new RangeError(`Dit: height and width must be multiples of patchSize (${p}), got ${h}×${w}`);
    return tf.tidy(() => {
      const patches = this.patchEmbedding.apply(patchify(xt, p));
      const time = this.timestepEmbedding.apply(t);
      const condition = this.labelEmbedding
        ? tf.add<tf.Tensor2D>(time, this.labelEmbedding.apply(label as tf.Tensor1D))
        : time;
      let x = tf.add<tf.Tensor3D>(patches, positionEmbedding(h / p, w / p, patches.shape[2]));
      for (const block of this.blocks) x = block.apply(x, condition);
      const [shift, scale] = parts(final.adaLn.apply(silu(condition)), 2);
      return unpatchify(final.linear.apply(modulate(final.norm.apply(x), shift, scale)), p, xt.shape);
    });
  }
}
