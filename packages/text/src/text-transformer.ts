import { Embedding, LayerNorm, Linear, causalMask, normalInit, paddingMask, sinusoidalEmbedding } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { PADDING } from './padding';
import { TransformerBlock } from './transformer-block';

/** Sizes of a `TextTransformer`, and its variety. */
export interface TextTransformerOptions {
  /** How many ids there are. */
  vocabularySize: number;
  /** Tokens of a caption, padding included. */
  length: number;
  /** Features of each position. */
  width: number;
  /** How many blocks. */
  layers: number;
  /** Heads of each block's attention. */
  heads: number;
  /** Features of the pooled vector, by a linear layer; by default those of the position as they are. */
  outFeatures?: number;
  /** Whether no position sees a later one, as in CLIP; false by default. */
  causal?: boolean;
  /** Whether the vectors of positions are learned or sinusoids; learned by default. */
  positions?: 'learned' | 'sinusoidal';
  /**
   * Whether padding is masked, so that nothing sees it, or seen as vectors that are learned, as in GLIDE; masked by
   * default.
   */
  padding?: 'masked' | 'learned';
  /** Which position becomes the pooled vector: the last that is no padding (CLIP), or the last of all (GLIDE); 'end' by default. */
  pool?: 'end' | 'last';
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** A caption as a network is told it. */
export interface EncodedText {
  /** For cross-attention, [n, length, width]. */
  readonly sequence: tf.Tensor3D;
  /** All of it as one vector, [n, outFeatures]. */
  readonly pooled: tf.Tensor2D;
}

/** Captions to vectors: embeddings, pre-norm transformer blocks, a last norm (Radford et al. 2021, §2.4; Nichol et al. 2021). */
export class TextTransformer {
  readonly tokenEmbedding: Embedding;
  /** The vector of each position. */
  readonly positionalEmbedding?: Embedding;
  /** The vector of each position where there is padding. */
  readonly paddingEmbedding?: Embedding;
  readonly blocks: readonly TransformerBlock[];
  readonly finalNorm: LayerNorm;
  readonly projection?: Linear;
  readonly length: number;
  readonly width: number;
  readonly causal: boolean;
  readonly pool: 'end' | 'last';

  /** @throws RangeError unless every size is a whole number of at least 1, and heads divides width. */
  constructor({
    vocabularySize,
    length,
    width,
    layers,
    heads,
    outFeatures,
    causal = false,
    positions = 'learned',
    padding = 'masked',
    pool = 'end',
    seed = 0,
  }: TextTransformerOptions) {
    if (!Number.isInteger(layers) || layers < 1)
      throw new RangeError(`TextTransformer: layers must be a whole number of at least 1, got ${layers}`);
    const rng = new Random(seed);
    const place = () => new Embedding({ numEmbeddings: length, embeddingDim: width, init: normalInit(0.01), rng });
    this.tokenEmbedding = new Embedding({
      numEmbeddings: vocabularySize,
      embeddingDim: width,
      init: normalInit(0.02),
      rng,
    });
    if (positions === 'learned') this.positionalEmbedding = place();
    if (padding === 'learned') this.paddingEmbedding = place();
    this.blocks = Array.from({ length: layers }, () => new TransformerBlock({ width, heads, rng }));
    this.finalNorm = new LayerNorm({ features: width });
    if (outFeatures !== undefined) this.projection = new Linear({ inFeatures: width, outFeatures, rng });
    this.length = length;
    this.width = width;
    this.causal = causal;
    this.pool = pool;
  }

  /**
   * tokens: [n, length] int32.
   * @param present [n, length], 1 for what is there and 0 for padding; by default what is not the id 0
   * @throws RangeError if they are of another length, TypeError if the tokens are not int32.
   */
  apply(tokens: tf.Tensor2D, present?: tf.Tensor2D): EncodedText {
    if (tokens.rank !== 2 || tokens.shape[1] !== this.length)
      throw new RangeError(`TextTransformer: expected tokens [n, ${this.length}], got [${tokens.shape.join(', ')}]`);
    return tf.tidy(() => {
      const there = tf.cast<tf.Tensor2D>(present ?? tf.notEqual(tokens, PADDING), 'float32');
      const places = this.positionalEmbedding?.weight ?? this.sinusoids();
      let x = tf.add<tf.Tensor3D>(this.tokenEmbedding.apply(tokens), places);
      if (this.paddingEmbedding) {
        const keep = tf.expandDims(there, 2);
        x = tf.add(tf.mul(x, keep), tf.mul(this.paddingEmbedding.weight, tf.sub(1, keep)));
      }
      const mask = this.mask(there);
      for (const block of this.blocks) x = block.apply(x, mask);
      const sequence = this.finalNorm.apply(x);
      const at = this.pool === 'last' ? lastOf(sequence) : endOf(sequence, there);
      return { sequence, pooled: this.projection ? this.projection.apply(at) : at };
    });
  }

  private mask(there: tf.Tensor2D): tf.Tensor | undefined {
    const padding = this.paddingEmbedding ? undefined : paddingMask(there);
    if (!this.causal) return padding;
    const causal = causalMask(this.length);
    return padding ? tf.add(padding, causal) : causal;
  }

  private sinusoids(): tf.Tensor2D {
    return sinusoidalEmbedding(tf.range(0, this.length), { dim: this.width });
  }
}

/** The last position: [n, length, width] → [n, width]. */
function lastOf(x: tf.Tensor3D): tf.Tensor2D {
  const [n, length, width] = x.shape;
  return tf.reshape(tf.slice(x, [0, length - 1, 0], [n, 1, width]), [n, width]);
}

/** The last position that is there: [n, length, width] and [n, length] → [n, width]. */
function endOf(x: tf.Tensor3D, there: tf.Tensor2D): tf.Tensor2D {
  const [n, length] = there.shape;
  // A caption of nothing but padding has its first position.
  const at = tf.maximum(tf.sub(tf.sum(there, 1, true), 1), 0);
  const chosen = tf.cast(tf.equal(tf.tile(tf.expandDims(tf.range(0, length), 0), [n, 1]), at), 'float32');
  return tf.sum(tf.mul(x, tf.expandDims(chosen, 2)), 1);
}
