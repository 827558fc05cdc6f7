import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../network';

/** A network that draws what is missing of a picture, around one that takes and returns what it says. */
export interface Inpainting extends Network {
  /** From 2c + 1 channels to those of an image, c, or twice as many where it says the variance. */
  readonly network: Network;
}

/**
 * An inpainting network (Nichol et al. 2021, GLIDE, §2.4): beside x it sees the known part of a picture, and where that
 * is, as channels of its own. Its conditions are `known`, [n, h, w, c], the picture with zeros where it is to be drawn,
 * `mask`, [n, h, w, 1], 1 where it is to be drawn and 0 where it is known, and those of the network within.
 * @param network of images with 2c + 1 channels: x, the known part, and the mask
 */
export function inpainting(network: Network): Inpainting {
  return {
    network,
    conditions: ['known', 'mask', ...(network.conditions ?? [])],
    apply(x, told, { known, mask, ...condition } = {}) {
      return tf.tidy(() => {
        const given = Object.keys(condition).length > 0 ? condition : undefined;
        return network.apply(tf.concat([x, known as tf.Tensor4D, mask as tf.Tensor4D], 3), told, given);
      });
    },
    ...(network.trainingInputs && {
      trainingInputs: ([h, w, c]: readonly number[]) => network.trainingInputs!([h, w, 2 * c + 1]),
    }),
  };
}
