import { namedParameters } from '@ddpm/layers';
import type { Task, Variables } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { EncodedText } from './text-transformer';

/** Images to vectors: [n, h, w, c] → [n, features]. Its parameters are the variables that its fields reach. */
export interface ImageEncoder {
  /** The vectors of images; one of noisy images is told their levels, [n]. */
  apply(x: tf.Tensor4D, told?: tf.Tensor1D): tf.Tensor2D;
}

/** Captions to vectors, such as a `TextTransformer`: [n, length] int32 → a pooled vector [n, features]. */
export interface TextEncoder {
  /** The vectors of captions. */
  apply(tokens: tf.Tensor2D): Pick<EncodedText, 'pooled'>;
}

/** The scores of pairs are multiplied by no more (Radford et al. 2021, §2.5). */
const LARGEST_SCALE = 100;

/**
 * CLIP (Radford et al. 2021): an encoder of images and one of captions whose vectors, of length 1, have a large product
 * where a caption belongs to an image.
 */
export class Clip {
  readonly image: ImageEncoder;
  readonly text: TextEncoder;
  /** The logarithm of what products are multiplied by, [], at first ln(1/0.07). */
  readonly logScale: tf.Variable;

  constructor({ image, text }: { image: ImageEncoder; text: TextEncoder }) {
    this.image = image;
    this.text = text;
    this.logScale = tf.tidy(() => tf.variable(tf.scalar(Math.log(1 / 0.07))));
  }

  /** [n, h, w, c], and of noisy ones what it is told of their levels, [n] → [n, features] of length 1. */
  encodeImage(x: tf.Tensor4D, told?: tf.Tensor1D): tf.Tensor2D {
    return tf.tidy(() => unit(this.image.apply(x, told)));
  }

  /** [n, length] int32 → [n, features] of length 1. */
  encodeText(tokens: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => unit(this.text.apply(tokens).pooled));
  }

  /** Scores of each image with each caption: [n, h, w, c] and [m, length] int32 → [n, m], their scaled products. */
  apply(x: tf.Tensor4D, tokens: tf.Tensor2D, told?: tf.Tensor1D): tf.Tensor2D {
    return tf.tidy(() =>
      tf.mul(tf.matMul(this.encodeImage(x, told), this.encodeText(tokens), false, true), this.scale()),
    );
  }

  /** The factor of products, []: at most 100. */
  scale(): tf.Scalar {
    return tf.tidy(() => tf.exp(tf.minimum(this.logScale, Math.log(LARGEST_SCALE))));
  }
}

/** Rows of length 1. */
function unit(x: tf.Tensor2D): tf.Tensor2D {
  return tf.div(x, tf.sqrt(tf.add(tf.sum(tf.square(x), 1, true), 1e-12)));
}

/**
 * The InfoNCE loss of pairs (Radford et al. 2021, fig. 3): the mean of the cross-entropies of finding each image's
 * caption among all in the batch, and each caption's image. a, b: [n, features] of length 1 → [n].
 */
export function contrastiveLoss(a: tf.Tensor2D, b: tf.Tensor2D, scale: tf.Scalar): tf.Tensor1D {
  return tf.tidy(() => {
    const logits = tf.mul(tf.matMul(a, b, false, true), scale);
    const own = tf.mul(tf.sum(tf.mul(a, b), 1), scale);
    const all = tf.add(logSumExp(logits, 1), logSumExp(logits, 0));
    return tf.sub<tf.Tensor1D>(tf.mul(all, 0.5), own);
  });
}

function logSumExp(x: tf.Tensor, axis: number): tf.Tensor1D {
  // The gradient is that of the whole, whatever is taken away before exp and added afterwards.
  return tf.logSumExp(x, axis);
}

/**
 * Training of CLIP on examples with the fields `image` and `tokens`; a batch may not be cut, since each image is
 * compared with the captions of all. Its losses are `loss`, and `found`, 1 where no other caption in the batch has a
 * larger product with an image than its own. Where images are noisy, as `withNoisedImages` of @ddpm/diffusion makes them,
 * the encoder of images is told the levels, `time`.
 * @param options.parameters its variables by name; by default by the paths of its fields
 */
export function contrastive(clip: Clip, { parameters = namedParameters(clip) }: { parameters?: Variables } = {}): Task {
  return {
    parameters,
    coupled: true,
    draw: ({ image, tokens }) => {
      if (!image || !tokens) throw new RangeError('contrastive: expected examples with the fields image and tokens');
      return { image, tokens };
    },
    loss({ image, tokens, time }) {
      const [a, b] = [
        clip.encodeImage(image as tf.Tensor4D, time as tf.Tensor1D | undefined),
        clip.encodeText(tokens as tf.Tensor2D),
      ];
      const best = tf.max(tf.matMul(a, b, false, true), 1);
      // Equal captions are as near; rounding may make one of them nearer.
      const found = tf.greaterEqual(tf.add(tf.sum(tf.mul(a, b), 1), 1e-5), best);
      return { loss: contrastiveLoss(a, b, clip.scale()), found: tf.cast(found, 'float32') };
    },
  };
}
