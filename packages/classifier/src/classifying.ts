import type { Random } from '@ddpm/random';
import type { Batch, Inputs, Task, Variables } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Classifier } from './classifier';

/** The classifier to train, and how its images are varied; `network` and `parameters` are needed. */
export interface ClassifyingOptions {
  /** Images x [n, h, w, c] → logits [n, classes]; a `Classifier` is one. */
  network: Pick<Classifier, 'apply'>;
  /** Its variables by name. */
  parameters: Variables;
  /** Images are moved by up to so many pixels in each direction, their edges drawn out; 0 by default. */
  shift?: number;
}

/**
 * Learns which class images are of: the cross-entropy of each example's `label`, beside it as `accuracy` 1 where no other
 * class is more probable. Its examples are images with labels.
 */
export function classifying({ network, parameters, shift = 0 }: ClassifyingOptions): Task {
  if (!Number.isSafeInteger(shift) || shift < 0)
    throw new RangeError(`classifying: shift must be a whole number of at least 0, got ${shift}`);
  return {
    parameters,
    draw(examples: Batch, rng: Random): Batch {
      const missing = ['image', 'label'].find((name) => !(name in examples));
      if (missing !== undefined)
        throw new RangeError(
          `classifying: needs '${missing}' of each example, which has only ${Object.keys(examples).join(', ')}`,
        );
      const { image, label } = examples;
      return { image: shift > 0 ? shifted(image, count(examples), shift, rng) : image, label };
    },
    loss({ image, label }: Inputs) {
      const logits = network.apply(image as tf.Tensor4D);
      const classes = logits.shape[1];
      const chosen = tf.oneHot(label, classes, 1, 0, 'float32');
      const loss = tf.neg(tf.sum<tf.Tensor1D>(tf.mul(tf.logSoftmax(logits), chosen), 1));
      const accuracy = tf.cast<tf.Tensor1D>(tf.equal(tf.argMax(logits, 1), label), 'float32');
      return { loss, accuracy };
    },
  };
}

/** Each image moved by up to `most` pixels in each direction. */
function shifted({ data, item }: Batch[string], n: number, most: number, rng: Random): Batch[string] {
  const [h, w, c] = item;
  const out = new Float32Array(data.length);
  const within = (value: number, size: number) => Math.min(Math.max(value, 0), size - 1);
  for (let i = 0; i < n; i++) {
    const [down, right] = [rng.integer(2 * most + 1) - most, rng.integer(2 * most + 1) - most];
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const from = ((i * h + within(y + down, h)) * w + within(x + right, w)) * c;
        for (let k = 0; k < c; k++) out[((i * h + y) * w + x) * c + k] = data[from + k];
      }
    }
  }
  return { data: out, item };
}
