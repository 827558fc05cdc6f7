import type { AdmUnetOptions, Context } from '@ddpm/adm';
import { AdmUnet } from '@ddpm/adm';
import { Embedding, LayerNorm, Linear, silu } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Options of an Imagen U-Net: those of an `AdmUnet`, and the size of what it is told. */
export type ImagenOptions = Omit<AdmUnetOptions, 'context' | 'numClasses'> & {
  /** Features of each position that the text encoder gives. */
  textFeatures: number;
  /** Features of each position that attention reads; 64 by default. */
  contextWidth?: number;
};

/** A caption as a frozen text encoder has it, as the U-Net is told it. */
class EncodedCaption implements Context {
  readonly norm: LayerNorm;
  readonly sequence: Linear;
  /** The vector that stands where there is padding. */
  readonly padding: Embedding;
  readonly pooled1: Linear;
  readonly pooled2: Linear;
  readonly conditions = ['text', 'present'];
  readonly width: number;

  constructor({ features, width, embDim, rng }: { features: number; width: number; embDim: number; rng: Random }) {
    this.width = width;
    this.norm = new LayerNorm({ features });
    this.sequence = new Linear({ inFeatures: features, outFeatures: width, rng });
    this.padding = new Embedding({ numEmbeddings: 1, embeddingDim: width, rng });
    this.pooled1 = new Linear({ inFeatures: features, outFeatures: embDim, rng });
    this.pooled2 = new Linear({ inFeatures: embDim, outFeatures: embDim, rng });
  }

  apply({ text, present }: Readonly<Record<string, tf.Tensor>>) {
    const there = tf.expandDims(present, 2);
    const normed = this.norm.apply<tf.Tensor3D>(text as tf.Tensor3D);
    const sequence = tf.add<tf.Tensor3D>(
      tf.mul(there, this.sequence.apply(normed)),
      tf.mul(tf.sub(1, there), this.padding.weight),
    );
    const mean = tf.div<tf.Tensor2D>(tf.sum(tf.mul(normed, there), 1), tf.maximum(tf.sum(there, 1), 1));
    return { sequence, pooled: this.pooled2.apply(silu(this.pooled1.apply(mean))) };
  }
}

/**
 * Imagen's U-Net of small images (Saharia et al. 2022, §2.4): ADM's, told what a frozen text encoder says of a caption. The
 * sequence, projected, stands before the keys and values of every attention, with a learned vector where there is padding,
 * and the mean of what is there goes into the time embedding. Its conditions are `text`, [n, length, textFeatures], and
 * `present`, [n, length], 1 for a token and 0 for padding.
 * @throws RangeError if the options do not fit together; the message names the numbers.
 */
export function imagenUnet({ textFeatures, contextWidth = 64, ...options }: ImagenOptions): AdmUnet {
  const rng = new Random([options.seed ?? 0, 'text']);
  const context = { features: textFeatures, width: contextWidth, embDim: 4 * options.modelChannels, rng };
  return new AdmUnet({ ...options, context: new EncodedCaption(context) });
}
