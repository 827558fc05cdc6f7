import * as tf from '@tensorflow/tfjs-core';
import { checkDivides, checkShape } from './check';

/** Twice the height and width, each pixel four times: [n, h, w, c] → [n, 2h, 2w, c]. @throws RangeError unless x is of rank 4. */
export function upsampleNearest(x: tf.Tensor4D): tf.Tensor4D {
  checkShape('upsampleNearest', x, ['n', 'h', 'w', 'c']);
  const [n, h, w, c] = x.shape;
  return tf.tidy(() => {
    const twice = (row: tf.Tensor2D) => tf.concat([row, row], 1);
    const wide = twice(tf.reshape(x, [n * h * w, c]));
    return tf.reshape(twice(tf.reshape(wide, [n * h, 2 * w * c])), [n, 2 * h, 2 * w, c]);
  });
}

/**
 * Half the height and width, the mean of each four pixels: [n, h, w, c] → [n, h/2, w/2, c].
 * @throws RangeError unless x is of rank 4, and height and width are even.
 */
export function averagePool(x: tf.Tensor4D): tf.Tensor4D {
  checkShape('averagePool', x, ['n', 'h', 'w', 'c']);
  const [n, h, w, c] = x.shape;
  checkDivides('averagePool', ['height', h], ['its factor', 2]);
  checkDivides('averagePool', ['width', w], ['its factor', 2]);
  return tf.tidy(() => {
    const rows = tf.mean(tf.reshape(x, [(n * h) / 2, 2, w * c]), 1);
    return tf.reshape(tf.mean(tf.reshape(rows, [(n * h * w) / 4, 2, c]), 1), [n, h / 2, w / 2, c]);
  });
}
