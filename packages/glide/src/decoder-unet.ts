import type { AdmUnetOptions, Context } from '@ddpm/adm';
import { AdmUnet } from '@ddpm/adm';
import { Linear } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Options of a decoder: those of an `AdmUnet`, and the size of what it decodes. */
export type DecoderOptions = Omit<AdmUnetOptions, 'context' | 'numClasses'> & {
  /** Features of CLIP's vectors. */
  features: number;
  /** Features of each position that attention reads; 64 by default. */
  contextWidth?: number;
};

/** Positions that attention reads. */
const POSITIONS = 4;

/** CLIP's vector of an image as the U-Net is told it. */
class ClipVector implements Context {
  readonly pooled: Linear;
  readonly positions: Linear;
  readonly conditions = ['imageEmbedding'];
  readonly width: number;

  constructor({ features, embDim, width, rng }: { features: number; embDim: number; width: number; rng: Random }) {
    this.pooled = new Linear({ inFeatures: features, outFeatures: embDim, rng });
    this.positions = new Linear({ inFeatures: features, outFeatures: POSITIONS * width, rng });
    this.width = width;
  }

  apply({ imageEmbedding }: Readonly<Record<string, tf.Tensor>>) {
    const vectors = imageEmbedding as tf.Tensor2D;
    return {
      pooled: this.pooled.apply(vectors),
      sequence: tf.reshape<tf.Rank.R3>(this.positions.apply(vectors), [-1, POSITIONS, this.width]),
    };
  }
}

/**
 * The decoder of DALL·E 2 (Ramesh et al. 2022, §2.1): a GLIDE U-Net that is told CLIP's vector of the image instead of a
 * caption, added to the time embedding, and as four positions that attention reads. Its condition is `imageEmbedding`,
 * [n, features]; of zeros, it is told nothing.
 * @throws RangeError if the options do not fit together; the message names the numbers.
 */
export function decoderUnet({ features, contextWidth = 64, ...options }: DecoderOptions): AdmUnet {
  const embDim = 4 * options.modelChannels;
  const rng = new Random([options.seed ?? 0, 'clip-vector']);
  return new AdmUnet({ ...options, context: new ClipVector({ features, embDim, width: contextWidth, rng }) });
}
