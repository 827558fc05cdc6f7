import type { Batch, Inputs, Task, Variables } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { LevelSource } from './levels/source';
import type { Classifier } from './network';
import { withNoisedImages } from './with-noised-images';

/** The classifier to train, and the levels it meets. */
export interface NoisedClassifyingOptions {
  /** The classifier; examples have an `image` in [−1, 1] and a `label`. */
  network: Classifier;
  /** Its variables by name. */
  parameters: Variables;
  /** The source of the levels it meets, such as `uniform(schedule)`. */
  levels: LevelSource;
}

/**
 * Telling the classes of noisy images apart, which `classifierGuided` needs (Dhariwal & Nichol 2021, §4): for each image
 * a level and ε ~ N(0, I), and the cross-entropy of its `label` for x, told the level. Its losses are `loss`, and
 * `accuracy`, 1 where no other class is more probable.
 * @throws RangeError, when it is drawn, if the examples lack an image or a label
 */
export function noisedClassifying({ network, parameters, levels }: NoisedClassifyingOptions): Task {
  const task: Task = {
    parameters,
    draw(examples: Batch): Batch {
      const missing = ['image', 'label'].find((name) => !(name in examples));
      if (missing !== undefined)
        throw new RangeError(
          `noisedClassifying: needs '${missing}' of each example, which has only ${Object.keys(examples).join(', ')}`,
        );
      const { image, label } = examples;
      return { image, label };
    },
    loss({ image: x, label, time }: Inputs) {
      const logits = network.apply(x as tf.Tensor4D, time as tf.Tensor1D);
      const chosen = tf.oneHot(label, logits.shape[1], 1, 0, 'float32');
      return {
        loss: tf.neg(tf.sum<tf.Tensor1D>(tf.mul(tf.logSoftmax(logits), chosen), 1)),
        accuracy: tf.cast<tf.Tensor1D>(tf.equal(tf.argMax(logits, 1), label), 'float32'),
      };
    },
  };
  return withNoisedImages(task, { levels });
}
