import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../network';

/** A network that makes large images of small ones, around one that takes and returns what it says. */
export interface SuperResolution extends Network {
  /** From 2c + 1 channels to those of an image, c, or twice as many where it says the variance. */
  readonly network: Network;
}

/**
 * A super-resolution network of a cascade (Ho et al. 2021, §2): beside x it sees the small picture, brought to x's size,
 * and how much noise that has, as channels of its own. Its conditions are `lowRes`, [n, h, w, c], `augmentation`, [n],
 * and those of the network within.
 * @param network of images with 2c + 1 channels: x, the small picture, and how noisy that is
 */
export function superResolution(network: Network): SuperResolution {
  return {
    network,
    conditions: ['lowRes', 'augmentation', ...(network.conditions ?? [])],
    apply(x, told, { lowRes, augmentation, ...condition } = {}) {
      return tf.tidy(() => {
        const [, h, w] = x.shape;
        const level = tf.tile(tf.reshape(augmentation, [-1, 1, 1, 1]), [1, h, w, 1]);
        const given = Object.keys(condition).length > 0 ? condition : undefined;
        return network.apply(tf.concat([x, lowRes as tf.Tensor4D, level as tf.Tensor4D], 3), told, given);
      });
    },
    ...(network.trainingInputs && {
      trainingInputs: ([h, w, c]: readonly number[]) => network.trainingInputs!([h, w, 2 * c + 1]),
    }),
  };
}
