import * as tf from '@tensorflow/tfjs-core';
import { summedTo } from './summed-to';

/** Of op(a) op(b): tfjs's own does not sum over the batch axes along which one of the two was repeated. */
export const matMulGradient: tf.GradConfig = {
  kernelName: 'BatchMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (gradient, [a, b], attrs) => {
    const dy = gradient as tf.Tensor;
    const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean };
    const ofA = () => (transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB));
    const ofB = () => {
      // One matrix for the whole batch: all rows at once, and no gradient for each to be summed.
      const oneMatrix = !transposeA && b.size === b.shape.at(-1)! * b.shape.at(-2)!;
      const [x, dx] = oneMatrix ? [rows(a), rows(dy)] : [a, dy];
      return transposeB ? tf.matMul(dx, x, true, transposeA) : tf.matMul(x, dx, !transposeA, false);
    };
    return { a: () => summedTo(ofA(), a.shape), b: () => summedTo(ofB(), b.shape) };
  },
};

/** [..., columns] → [rows, columns]. */
const rows = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [tf.util.sizeFromShape(x.shape.slice(0, -1)), x.shape.at(-1)!]);
