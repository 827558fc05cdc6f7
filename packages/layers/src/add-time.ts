import * as tf from '@tensorflow/tfjs-core';
import { checkShape } from './check';
import type { Linear } from './linear';

/**
 * h [n, h, w, channels] + what a block is told of the noise level: Linear(activation(timeEmb)), for all pixels of an
 * image. A block without the linear layer is not told any.
 * @throws TypeError if a time embedding is expected and not given, or given and not expected; RangeError if it is of
 * another shape.
 */
export function addTime(
  who: string,
  h: tf.Tensor4D,
  mlp: Linear | undefined,
  activation: (x: tf.Tensor2D) => tf.Tensor2D,
  timeEmb: tf.Tensor2D | undefined,
): tf.Tensor4D {
  if (!mlp) {
    if (timeEmb)
      throw new TypeError(
        `${who}: made without timeEmbDim, so it takes no time embedding, got [${timeEmb.shape.join(', ')}]`,
      );
    return h;
  }
  const [n, timeEmbDim] = [h.shape[0], mlp.weight.shape[0]];
  if (!timeEmb) throw new TypeError(`${who}: expected a time embedding [${n}, ${timeEmbDim}], got none`);
  checkShape(who, timeEmb, [n, timeEmbDim], 'a time embedding');
  const projected = mlp.apply(activation(timeEmb));
  return tf.add(h, tf.reshape(projected, [n, 1, 1, projected.shape[1]]));
}
