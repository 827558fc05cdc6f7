import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { qPosterior } from '../levels/posterior';
import type { Classifier } from '../network';
import type { FixedVariance } from '../sampling/step-variance';
import { stepVariance } from '../sampling/step-variance';
import type { Denoise } from './denoise';

/** How a classifier guides; `gradient` and `scale` are needed. */
export interface ClassifierGuidedOptions {
  /**
   * ∇ log p(y | x) at a level, [n, h, w, c], for what is to be drawn, y: of a classifier of noisy images, such as what
   * `labelGradient` computes. What it gives is freed.
   */
  gradient: (x: tf.Tensor4D, level: Level) => Promise<tf.Tensor4D>;
  /** s: 1 is p(x | y), 0 no guidance, and above 1 the class counts for more. */
  scale: number;
  /**
   * The chain and the variance of `ancestral`, where that is the sampler. Its mean moves by s·σ²·∇ (Algorithm 1);
   * without, ε̂ by −sigma·s·∇ (Algorithm 2), which is for `ddim` and whatever else follows x̂_0.
   */
  ancestral?: { readonly levels: readonly Level[]; readonly variance?: FixedVariance };
}

/**
 * Classifier guidance (Dhariwal & Nichol 2021, §4): a network's x̂_0, moved to where a classifier finds the class
 * likelier. The network itself needs no classes. What is clipped has to be so before: `classifierGuided(clipped(…))`.
 * @throws RangeError unless scale is a number; and, when called, at a level that the chain has not, or, without a
 * chain, one without signal
 */
export function classifierGuided(denoise: Denoise, { gradient, scale, ancestral }: ClassifierGuidedOptions): Denoise {
  if (!Number.isFinite(scale)) throw new RangeError(`classifierGuided: scale must be a number, got ${scale}`);
  if (scale === 0) return denoise;
  return async (x, level) => {
    const index = ancestral?.levels.findIndex(({ time, sigma }) => time === level.time && sigma === level.sigma);
    if (index === -1) throw new RangeError(`classifierGuided: the chain has no level at time ${level.time}`);
    if (index === undefined && !(level.signal > 0))
      throw new RangeError(
        `classifierGuided: at a level without signal, at time ${level.time}, only ancestral sampling can be guided`,
      );
    const slope = await gradient(x, level);
    try {
      const { x0, ...rest } = await denoise(x, level);
      const moved = tf.tidy(() => {
        /** How far x̂_0 moves for each unit of s·∇. */
        let factor: number | tf.Tensor;
        if (ancestral && index !== undefined) {
          const { levels, variance } = ancestral;
          const { fromStart } = qPosterior(level, levels[index + 1]);
          factor = tf.div(stepVariance(levels, index, variance ?? rest.variance ?? 'lower'), fromStart);
        } else factor = level.sigma ** 2 / level.signal;
        return tf.add<tf.Tensor4D>(x0, tf.mul(tf.mul(slope, scale), factor));
      });
      x0.dispose();
      return { ...rest, x0: moved };
    } finally {
      slope.dispose();
    }
  };
}

/**
 * ∇ Σ log p(y | x) of a classifier's logits, as a function of tensors alone, to be run as it is or compiled: x [n, h,
 * w, c], what the classifier is told of the level [n], and the labels y [n] int32 → [n, h, w, c].
 */
export const labelGradient =
  (classifier: Classifier) =>
  (x: tf.Tensor4D, told: tf.Tensor1D, label: tf.Tensor1D): tf.Tensor4D =>
    tf.tidy(
      () =>
        tf.grad((input: tf.Tensor) => {
          const logits = classifier.apply(input as tf.Tensor4D, told);
          const chosen = tf.oneHot(label, logits.shape[1], 1, 0, 'float32');
          return tf.sum(tf.mul(tf.logSoftmax(logits), chosen));
        })(x) as tf.Tensor4D,
    );
