import type { Random } from '@ddpm/random';
import type { Batch, Inputs, Losses, Task } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Levels } from './levels/level';
import { qSample } from './levels/level';
import type { LevelSource } from './levels/source';
import { column } from './task-inputs';

/**
 * A task on noisy images, as what is to guide needs it (Dhariwal & Nichol 2021, §4; Nichol et al. 2021, §2.3): for each
 * image a level and ε ~ N(0, I), which are drawn after all of the task's own. Its loss is given x for `image`, and the
 * levels' times [n] for `time`; the source's weights are those of its losses.
 * @param options.levels the source of the levels, such as `stratified(schedule)`
 */
export function withNoisedImages(task: Task, { levels }: { levels: LevelSource }): Task {
  return {
    ...task,
    draw(examples: Batch, rng: Random): Batch {
      const given = task.draw(examples, rng);
      const { data, item } = given.image;
      const drawn = levels.draw(count(examples), rng);
      return {
        ...given,
        noise: { data: rng.normals(data.length), item },
        signal: column(drawn, ({ level }) => level.signal),
        sigma: column(drawn, ({ level }) => level.sigma),
        time: column(drawn, ({ level }) => level.time),
        weight: column(drawn, ({ weight = 1 }) => weight),
      };
    },
    loss({ image, noise, signal, sigma, weight, ...inputs }: Inputs): Losses {
      const factor = (values: tf.Tensor) => tf.reshape<tf.Rank.R4>(values, [-1, 1, 1, 1]);
      const level: Levels = { signal: factor(signal), sigma: factor(sigma), time: inputs.time as tf.Tensor1D };
      const x = qSample(level, image as tf.Tensor4D, noise as tf.Tensor4D);
      const losses = task.loss({ ...inputs, image: x });
      return { ...losses, loss: tf.mul<tf.Tensor1D>(losses.loss, weight) };
    },
  };
}
