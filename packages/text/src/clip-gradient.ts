import * as tf from '@tensorflow/tfjs-core';
import type { Clip } from './clip';

/**
 * ∇ of an image's score with its caption, the scaled product of CLIP's vectors of both (Nichol et al. 2021, §2.3, GLIDE),
 * as a function of tensors alone, to be run as it is or compiled: noisy images x [n, h, w, c], what CLIP is told of their
 * levels [n], and the vectors of the captions, `encodeText`, [n, features] → [n, h, w, c].
 */
export const clipGradient =
  (clip: Pick<Clip, 'encodeImage' | 'scale'>) =>
  (x: tf.Tensor4D, told: tf.Tensor1D, text: tf.Tensor2D): tf.Tensor4D =>
    tf.tidy(
      () =>
        tf.grad((input: tf.Tensor) =>
          tf.mul(tf.sum(tf.mul(clip.encodeImage(input as tf.Tensor4D, told), text)), clip.scale()),
        )(x) as tf.Tensor4D,
    );
