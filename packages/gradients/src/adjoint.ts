import * as tf from '@tensorflow/tfjs-core';

/**
 * The gradient of a map that multiplies every line along an axis by a matrix: the same with its transpose.
 * @param dy the map's result has this shape
 * @param matrix [dy.shape[axis], n]
 * @returns dy's shape with n along the axis
 */
export function adjointAlong(dy: tf.Tensor, axis: number, matrix: tf.Tensor2D): tf.Tensor {
  const [size, n] = matrix.shape;
  const inner = tf.util.sizeFromShape(dy.shape.slice(axis + 1));
  const shape = [...dy.shape];
  shape[axis] = n;
  const outer = dy.size / size / inner;
  const product =
    inner === 1
      ? tf.matMul(tf.reshape(dy, [outer, size]), matrix)
      : tf.matMul(matrix, tf.reshape<tf.Rank>(dy, [outer, size, inner]), true);
  return tf.reshape(product, shape);
}
