import * as tf from '@tensorflow/tfjs-core';
import { checkDivides, checkShape, checkSizes } from './check';

/**
 * Squares of factor×factor pixels as channels: [n, h, w, c] → [n, h/factor, w/factor, c·factor²], in the order of
 * PyTorch's `pixel_unshuffle`.
 * @throws RangeError unless factor is a whole number of at least 1 that divides height and width
 */
export function pixelUnshuffle(x: tf.Tensor4D, factor: number): tf.Tensor4D {
  checkSizes('pixelUnshuffle', { factor });
  checkShape('pixelUnshuffle', x, ['n', 'h', 'w', 'c']);
  const [n, h, w, c] = x.shape;
  checkDivides('pixelUnshuffle', ['height', h], ['factor', factor]);
  checkDivides('pixelUnshuffle', ['width', w], ['factor', factor]);
  return tf.tidy(() => {
    const squares = tf.reshape(x, [n, h / factor, factor, w / factor, factor, c]);
    return tf.reshape(tf.transpose(squares, [0, 1, 3, 5, 2, 4]), [n, h / factor, w / factor, c * factor * factor]);
  });
}

/**
 * The inverse of `pixelUnshuffle`: [n, h, w, c·factor²] → [n, h·factor, w·factor, c].
 * @throws RangeError unless factor is a whole number of at least 1 whose square divides the channels
 */
export function pixelShuffle(x: tf.Tensor4D, factor: number): tf.Tensor4D {
  checkSizes('pixelShuffle', { factor });
  checkShape('pixelShuffle', x, ['n', 'h', 'w', 'c']);
  const [n, h, w, c] = x.shape;
  checkDivides('pixelShuffle', ['channels', c], ['factor²', factor * factor]);
  const channels = c / (factor * factor);
  return tf.tidy(() => {
    const squares = tf.reshape(x, [n, h, w, channels, factor, factor]);
    return tf.reshape(tf.transpose(squares, [0, 1, 4, 2, 5, 3]), [n, h * factor, w * factor, channels]);
  });
}
