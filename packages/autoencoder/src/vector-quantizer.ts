import { Embedding } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Vectors, each replaced by the nearest of a codebook (van den Oord et al. 2017). */
export class VectorQuantizer {
  /** Its weight is the codebook, [codes, channels]. */
  readonly embedding: Embedding;

  /** The codes begin as U(±1/codes). */
  constructor({ codes, channels, rng }: { codes: number; channels: number; rng: Random }) {
    const init = (random: Random, count: number) =>
      Float32Array.from({ length: count }, () => (2 * random.uniform() - 1) / codes);
    this.embedding = new Embedding({ numEmbeddings: codes, embeddingDim: channels, init, rng });
  }

  /** The number of the nearest code: z [n, h, w, channels] → int32 [n, h, w]; of equals, the first. */
  indices(z: tf.Tensor4D): tf.Tensor3D {
    return tf.tidy(() => {
      const codebook = this.embedding.weight as tf.Tensor2D;
      const [codes, channels] = codebook.shape;
      const [n, h, w] = z.shape;
      const rows = tf.reshape<tf.Rank.R2>(z, [n * h * w, channels]);
      // ‖z − e‖² without ‖z‖², which is the same for all codes.
      const products = tf.matMul(rows, codebook, false, true);
      const distances = tf.sub(tf.reshape(tf.sum(tf.square(codebook), 1), [1, codes]), tf.mul(products, 2));
      return tf.reshape<tf.Rank.R3>(tf.argMin(distances, 1), [n, h, w]);
    });
  }

  /** int32 [n, h, w] → the codes [n, h, w, channels]. */
  lookUp(indices: tf.Tensor3D): tf.Tensor4D {
    return tf.tidy(() => tf.gather(this.embedding.weight, indices) as tf.Tensor4D);
  }

  /** The nearest codes: z [n, h, w, channels] → [n, h, w, channels]. Which they are is not differentiated; the codes are. */
  nearest(z: tf.Tensor4D): tf.Tensor4D {
    const [codes, channels] = this.embedding.weight.shape;
    const withGradient = tf.customGrad((given, _codebook, save) => {
      const indices = this.indices(given as tf.Tensor4D);
      (save as tf.GradSaveFunc)([given as tf.Tensor, indices]);
      const gradFunc = (dy: tf.Tensor, [saved, chosen]: tf.Tensor[]) => {
        const rows = tf.reshape(dy, [dy.size / channels, channels]);
        const ids = tf.reshape<tf.Rank.R1>(chosen, [chosen.size]);
        return [tf.zerosLike(saved), tf.unsortedSegmentSum(rows, ids, codes)];
      };
      return { value: this.lookUp(indices), gradFunc };
    });
    return tf.tidy(() => withGradient(z, this.embedding.weight));
  }
}

/** The value of `quantized` with the gradient of `z`, of the same shape: as if quantising did nothing. */
export const straightThrough = <T extends tf.Tensor>(z: T, quantized: T): T =>
  tf.customGrad(() => ({ value: tf.clone(quantized), gradFunc: (dy: tf.Tensor) => dy }))(z) as T;

/** The value of x, which is not differentiated. */
export const stopGradient = <T extends tf.Tensor>(x: T): T =>
  tf.customGrad((given) => ({
    value: tf.clone(given as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }))(x) as T;
