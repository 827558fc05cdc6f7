import type { Random } from '@ddpm/random';
import type { Batch, Inputs, Task, Variables } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Levels } from './levels/level';
import { qSample } from './levels/level';
import type { DrawnLevel, LevelSource } from './levels/source';
import type { Classifier } from './network';

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
  return {
    parameters,
    draw(examples: Batch, rng: Random): Batch {
      const missing = ['image', 'label'].find((name) => !(name in examples));
      if (missing !== undefined)
        throw new RangeError(
          `noisedClassifying: needs '${missing}' of each example, which has only ${Object.keys(examples).join(', ')}`,
        );
      const { image, label } = examples;
      const drawn = levels.draw(count(examples), rng);
      const row = (of: (drawn: DrawnLevel) => number) => ({ data: Float32Array.from(drawn, of), item: [] });
      return {
        ...{ image, label, noise: { data: rng.normals(image.data.length), item: image.item } },
        signal: row(({ level }) => level.signal),
        sigma: row(({ level }) => level.sigma),
        time: row(({ level }) => level.time),
        weight: row(({ weight = 1 }) => weight),
      };
    },
    loss({ image, label, noise, time, weight, ...inputs }: Inputs) {
      const column = (name: string) => tf.reshape<tf.Rank.R4>(inputs[name], [-1, 1, 1, 1]);
      const level: Levels = { signal: column('signal'), sigma: column('sigma'), time: time as tf.Tensor1D };
      const x = qSample(level, image as tf.Tensor4D, noise as tf.Tensor4D);
      const logits = network.apply(x, level.time);
      const chosen = tf.oneHot(label, logits.shape[1], 1, 0, 'float32');
      const entropy = tf.neg(tf.sum<tf.Tensor1D>(tf.mul(tf.logSoftmax(logits), chosen), 1));
      return {
        loss: tf.mul<tf.Tensor1D>(entropy, weight),
        accuracy: tf.cast<tf.Tensor1D>(tf.equal(tf.argMax(logits, 1), label), 'float32'),
      };
    },
  };
}
