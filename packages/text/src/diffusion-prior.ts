import {
  causalMask,
  Embedding,
  LayerNorm,
  Linear,
  normalInit,
  paddingMask,
  silu,
  sinusoidalEmbedding,
} from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { PADDING } from './padding';
import { TransformerBlock } from './transformer-block';

/** Sizes of a `DiffusionPrior`; those without a default are needed. */
export interface DiffusionPriorOptions {
  /** Features of CLIP's vectors. */
  features: number;
  /** How many ids of tokens there are. */
  vocabularySize: number;
  /** Tokens of a caption, padding included. */
  length: number;
  /** Features of each position; even, and 64 by default. */
  width?: number;
  /** How many blocks; 2 by default. */
  layers?: number;
  /** Heads of each block's attention; 4 by default. */
  heads?: number;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** Positions after the tokens: the caption's vector, the noise level, the noisy vector of the image, and the answer. */
const OTHERS = 4;

/**
 * The diffusion prior of DALL·E 2 (Ramesh et al. 2022, §2.2): from a caption to CLIP's vector of an image. A causal
 * transformer reads the caption's tokens, CLIP's vector of it, the noise level and the noisy vector, and its last position
 * says the vector without noise, so that it is trained and sampled as a denoiser of "images" [1, 1, features] whose
 * parameterisation is `image`. Its conditions are `tokens`, [n, length] int32, and `textEmbedding`, [n, features].
 */
export class DiffusionPrior {
  readonly tokenEmbedding: Embedding;
  /** The vector of each position. */
  readonly positionalEmbedding: Embedding;
  readonly text: Linear;
  readonly time1: Linear;
  readonly time2: Linear;
  readonly image: Linear;
  readonly blocks: readonly TransformerBlock[];
  readonly finalNorm: LayerNorm;
  readonly output: Linear;
  readonly features: number;
  readonly length: number;
  readonly conditions = ['tokens', 'textEmbedding'] as const;

  /** @throws RangeError unless every size is a whole number of at least 1, heads divides width, and width is even. */
  constructor({
    features,
    vocabularySize,
    length,
    width = 64,
    layers = 2,
    heads = 4,
    seed = 0,
  }: DiffusionPriorOptions) {
    if (!Number.isInteger(layers) || layers < 1)
      throw new RangeError(`DiffusionPrior: layers must be a whole number of at least 1, got ${layers}`);
    const rng = new Random(seed);
    const vectors = (numEmbeddings: number) =>
      new Embedding({ numEmbeddings, embeddingDim: width, init: normalInit(0.02), rng });
    const linear = (inFeatures: number, outFeatures: number) => new Linear({ inFeatures, outFeatures, rng });
    this.tokenEmbedding = vectors(vocabularySize);
    this.positionalEmbedding = vectors(length + OTHERS);
    this.text = linear(features, width);
    [this.time1, this.time2] = [linear(width, width), linear(width, width)];
    this.image = linear(features, width);
    this.blocks = Array.from({ length: layers }, () => new TransformerBlock({ width, heads, rng }));
    this.finalNorm = new LayerNorm({ features: width });
    this.output = linear(width, features);
    this.features = features;
    this.length = length;
  }

  /**
   * x: noisy vectors [n, 1, 1, features] → those without noise, of the same shape.
   * @throws RangeError if the vectors or the tokens are of another size
   */
  apply(x: tf.Tensor4D, told: tf.Tensor1D, condition: Readonly<Record<string, tf.Tensor>> = {}): tf.Tensor4D {
    const tokens = condition.tokens as tf.Tensor2D;
    const { features, length } = this;
    if (x.shape.slice(1).join() !== [1, 1, features].join())
      throw new RangeError(`DiffusionPrior: expected vectors [n, 1, 1, ${features}], got [${x.shape.join(', ')}]`);
    if (tokens.shape[1] !== length)
      throw new RangeError(`DiffusionPrior: expected tokens [n, ${length}], got [${tokens.shape.join(', ')}]`);
    return tf.tidy(() => {
      const [n] = x.shape;
      const width = this.finalNorm.features;
      const position = (vector: tf.Tensor2D) => tf.reshape<tf.Rank.R3>(vector, [n, 1, width]);
      const time = this.time2.apply(silu(this.time1.apply(sinusoidalEmbedding(told, { dim: width }))));
      const sequence = tf.concat(
        [
          this.tokenEmbedding.apply(tokens),
          position(this.text.apply(condition.textEmbedding as tf.Tensor2D)),
          position(time),
          position(this.image.apply(tf.reshape<tf.Rank.R2>(x, [n, features]))),
          tf.zeros([n, 1, width]),
        ],
        1,
      );
      let y = tf.add<tf.Tensor3D>(sequence, this.positionalEmbedding.weight);
      const there = tf.cast<tf.Tensor2D>(tf.notEqual(tokens, PADDING), 'float32');
      const mask = tf.add(paddingMask(tf.concat([there, tf.ones([n, OTHERS])], 1)), causalMask(length + OTHERS));
      for (const block of this.blocks) y = block.apply(y, mask);
      const last = tf.slice(this.finalNorm.apply(y), [0, length + OTHERS - 1, 0], [n, 1, width]);
      return tf.reshape(this.output.apply(tf.reshape<tf.Rank.R2>(last, [n, width])), [n, 1, 1, features]);
    });
  }
}

/**
 * Of several vectors of images for each caption, the one that is nearest to it (Ramesh et al. 2022, §2.2: the better of
 * two by their product with the caption's vector).
 * @param candidates each [n, features]
 * @param text CLIP's vectors of the captions, [n, features]
 * @returns [n, features]
 * @throws RangeError if there are none
 */
export function nearestToText(candidates: readonly tf.Tensor2D[], text: tf.Tensor2D): tf.Tensor2D {
  if (candidates.length === 0)
    throw new RangeError('nearestToText: expected at least one vector for each caption, got none');
  return tf.tidy(() => {
    const scores = tf.stack(
      candidates.map((vectors) => tf.div(tf.sum(tf.mul(vectors, text), 1), tf.norm(vectors, 2, 1))),
      1,
    );
    const chosen = tf.oneHot(tf.argMax(scores, 1), candidates.length);
    return tf.sum(tf.mul(tf.stack([...candidates], 1), tf.expandDims(tf.cast(chosen, 'float32'), 2)), 1);
  });
}
