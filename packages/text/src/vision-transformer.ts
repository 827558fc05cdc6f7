import { Conv2d, Embedding, LayerNorm, Linear, normalInit, silu, sinusoidalEmbedding } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { TransformerBlock } from './transformer-block';

/** Sizes of a `VisionTransformer`. */
export interface VisionTransformerOptions {
  /** Height and width of the images, a multiple of patchSize. */
  imageSize: number;
  /** Channels of the images; 3 by default. */
  imageChannels?: number;
  /** Squares of so many pixels on a side are one position. */
  patchSize: number;
  /** Features of each position. */
  width: number;
  /** How many blocks. */
  layers: number;
  /** Heads of each block's attention. */
  heads: number;
  /** Features of the image's vector. */
  outFeatures: number;
  /** Whether the images are noisy, and it is told how much (Nichol et al. 2021, §2.3); false by default. */
  noised?: boolean;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** Images to vectors: patches as positions of a transformer (Dosovitskiy et al. 2021), whose mean is the image's vector. */
export class VisionTransformer {
  readonly patches: Conv2d;
  readonly positionalEmbedding: Embedding;
  readonly blocks: readonly TransformerBlock[];
  readonly finalNorm: LayerNorm;
  readonly projection: Linear;
  /** Of the noise level, if it is told one. */
  readonly time1?: Linear;
  readonly time2?: Linear;

  /** @throws RangeError unless patchSize divides imageSize, and heads divides width. */
  constructor({
    imageSize,
    imageChannels = 3,
    patchSize,
    width,
    layers,
    heads,
    outFeatures,
    noised = false,
    seed = 0,
  }: VisionTransformerOptions) {
    const side = imageSize / patchSize;
    if (!Number.isInteger(side))
      throw new RangeError(`VisionTransformer: patchSize (${patchSize}) must divide imageSize (${imageSize})`);
    const rng = new Random(seed);
    this.patches = new Conv2d({
      inChannels: imageChannels,
      outChannels: width,
      kernelSize: patchSize,
      stride: patchSize,
      rng,
    });
    this.positionalEmbedding = new Embedding({
      numEmbeddings: side * side,
      embeddingDim: width,
      init: normalInit(0.02),
      rng,
    });
    this.blocks = Array.from({ length: layers }, () => new TransformerBlock({ width, heads, rng }));
    this.finalNorm = new LayerNorm({ features: width });
    this.projection = new Linear({ inFeatures: width, outFeatures, rng });
    if (!noised) return;
    this.time1 = new Linear({ inFeatures: width, outFeatures: width, rng });
    this.time2 = new Linear({ inFeatures: width, outFeatures: width, rng });
  }

  /**
   * x: [n, imageSize, imageSize, imageChannels], and of noisy ones what it is told of their level, [n] → [n, outFeatures].
   * @throws RangeError if it is told a level that it has no use for, or is not told one
   */
  apply(x: tf.Tensor4D, told?: tf.Tensor1D): tf.Tensor2D {
    if (!told !== !this.time1)
      throw new RangeError(`VisionTransformer: it ${this.time1 ? 'needs' : 'has no use for'} the level of its images`);
    return tf.tidy(() => {
      const squares = this.patches.apply(x);
      const [n, h, w, width] = squares.shape;
      let y = tf.add<tf.Tensor3D>(tf.reshape(squares, [n, h * w, width]), this.positionalEmbedding.weight);
      if (told) y = tf.add(y, tf.expandDims(this.levelEmbedding(told), 1));
      for (const block of this.blocks) y = block.apply(y);
      return this.projection.apply(tf.mean<tf.Tensor2D>(this.finalNorm.apply(y), 1));
    });
  }

  /** [n] → [n, width], which is added to each position. */
  private levelEmbedding(told: tf.Tensor1D): tf.Tensor2D {
    const { features: dim } = this.finalNorm;
    return this.time2!.apply(silu(this.time1!.apply(sinusoidalEmbedding(told, { dim }))));
  }
}
