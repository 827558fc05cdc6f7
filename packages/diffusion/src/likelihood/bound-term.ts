import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { logVariances, qPosterior } from '../levels/posterior';
import type { Prediction } from '../parameterisations/parameterisation';
import type { FixedVariance } from '../sampling/step-variance';
import { discretizedGaussian } from './discretized-gaussian';

/** A step of a chain, as far as L_t depends on it. */
export interface BoundStep {
  /** The coefficient of x_0 in the mean of q(x_s | x_t, x_0). */
  readonly fromStart: number;
  /** log β̃, but at the last step that of the one before. */
  readonly lower: number;
  /** log β − log β̃. */
  readonly span: number;
  /** 1 at the step to the image, where L_t is that of the decoder; otherwise 0. */
  readonly last: number;
}

/** The same of each image of a batch, [n, 1, 1, 1] each. */
export type BoundSteps = { readonly [name in keyof BoundStep]: tf.Tensor4D };

/**
 * Every step of a chain, as far as L_t depends on it.
 * @param who what the error begins with
 * @param levels from noise to image
 * @throws RangeError unless they end with the image
 */
export function boundSteps(who: string, levels: readonly Level[]): BoundStep[] {
  const image = levels.at(-1);
  if (levels.length < 2 || image!.sigma !== 0 || image!.signal !== 1)
    throw new RangeError(
      `${who}: the levels must go from noise to the image itself, such as trailing(schedule); got ${levels.length}, the last with sigma ${image?.sigma}`,
    );
  return levels.slice(0, -1).map((t, index) => {
    const { lower, upper } = logVariances(levels, index);
    const last = index === levels.length - 2 ? 1 : 0;
    return { fromStart: qPosterior(t, levels[index + 1]).fromStart, lower, span: upper - lower, last };
  });
}

/** A step of all images alike, [1, 1, 1, 1] each. */
export const constant = ({ fromStart, lower, span, last }: BoundStep): BoundSteps => {
  const of = (value: number) => tf.tensor4d([value], [1, 1, 1, 1]);
  return { fromStart: of(fromStart), lower: of(lower), span: of(span), last: of(last) };
};

/**
 * L_t of each element, in bits (Ho et al. 2020, eq. 5, 7 and 13): KL(q(x_s | x_t, x_0) ‖ p(x_s | x_t)), and at the last
 * step −log p(x_0 | x_t). The means differ by fromStart·(x_0 − x̂_0) alone, and the variances by what the network's has
 * over β̃, so that neither is the difference of large numbers.
 * @param steps [n, 1, 1, 1] each
 * @param xStart images of bytes, [n, h, w, c] in [−1, 1]
 * @param prediction x̂_0, and the variance if it is learned
 * @param fixed the variance if it is not
 * @returns [n, h, w, c]
 */
export function boundTerm(
  { fromStart, lower, span, last }: BoundSteps,
  xStart: tf.Tensor4D,
  { x0, variance }: Prediction,
  fixed: FixedVariance,
): tf.Tensor4D {
  return tf.tidy(() => {
    /** log σ² − log β̃. */
    const excess =
      variance === undefined
        ? tf.mul(tf.mul(span, tf.sub(1, last)), tf.fill(xStart.shape, fixed === 'lower' ? 0 : 1))
        : 'log' in variance
          ? tf.sub(variance.log, lower)
          : tf.mul(variance.fraction, span);
    const logVariance = tf.add<tf.Tensor4D>(excess, lower);
    const error = tf.sub<tf.Tensor4D>(xStart, x0);
    const distance = tf.mul(tf.square(tf.mul(error, fromStart)), tf.exp(tf.neg(logVariance)));
    const divergence = tf.mul(tf.add(tf.add(excess, tf.expm1(tf.neg(excess))), distance), 0.5);
    const decoder = tf.neg(discretizedGaussian(xStart, error, tf.mul(logVariance, 0.5)));
    return tf.div<tf.Tensor4D>(tf.where(tf.greater(last, 0), decoder, divergence), Math.LN2);
  });
}
