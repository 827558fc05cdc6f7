import * as tf from '@tensorflow/tfjs-core';

/** Cuts images into patches (Peebles & Xie 2023, fig. 4): [n, h, w, c] → [n, (h/p)·(w/p), p·p·c], row by row. */
export function patchify(images: tf.Tensor4D, p: number): tf.Tensor3D {
  const [n, h, w, c] = images.shape;
  const cut = tf.reshape(images, [n, h / p, p, w / p, p, c]);
  return tf.reshape(tf.transpose(cut, [0, 1, 3, 2, 4, 5]), [n, (h / p) * (w / p), p * p * c]);
}

/** Puts patches together again: the inverse of `patchify`. */
export function unpatchify(
  patches: tf.Tensor3D,
  p: number,
  [n, h, w, c]: [n: number, h: number, w: number, c: number],
): tf.Tensor4D {
  const cut = tf.reshape(patches, [n, h / p, w / p, p, p, c]);
  return tf.reshape(tf.transpose(cut, [0, 1, 3, 2, 4, 5]), [n, h, w, c]);
}
