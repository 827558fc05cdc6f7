import type { Evaluation, Level, Sampler } from '@ddpm/diffusion';
import { clean, qPosterior } from '@ddpm/diffusion';
import * as tf from '@tensorflow/tfjs-core';
import type { SchedulerConfig } from './config';
import { oneOf } from './config';
import type { SchedulerPrediction } from './denoise';
import { checkSignal, denoiseOf, readingOf } from './denoise';
import { linear } from './linear';
import { levelOf, trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import { wholeTimesteps } from './spacing';

/**
 * `DDPMScheduler`: ancestral sampling (Ho et al. 2020, Algorithm 2). Unlike there, the last step draws noise as well
 * where it is not at t = 0: none to speak of, but with `fixed_large`.
 */
export function ddpm(config: SchedulerConfig, steps: number): Scheduler {
  // The root that diffusers takes of fixed_large_log's logarithm is no number.
  const fixed = ['fixed_small', 'fixed_small_log', 'fixed_large'];
  oneOf(config, 'variance_type', ...fixed, 'learned', 'learned_range');
  const learned = !fixed.includes(config.variance_type!);
  const training = trainingOf(config, { more: ['sigmoid', 'laplace'] });
  const levels = [...wholeTimesteps(config, steps).map((t) => levelOf(training, t)), clean];
  checkSignal(config, levels[0]);
  const upper = config.variance_type === 'fixed_large';
  const mean = linear(config.className, levels, (index) => {
    const { fromStart, fromX, variance, added } = posterior(levels[index], levels[index + 1]);
    const noise = levels[index].time > 0 && !learned ? Math.sqrt(upper ? added : variance) : undefined;
    return { x: [fromX], x0: [fromStart], noise };
  });
  return {
    sampler: learned ? withLearnedVariance(mean, config.variance_type === 'learned_range') : mean,
    initialScale: 1,
    denoise: denoiseOf(config, { reading: readingOf(config, ['epsilon', 'sample', 'v_prediction']), learned }),
  };
}

/** q(x_s | x_t, x_0), and β of the way from s to t. */
function posterior(t: Level, s: Level) {
  const added = 1 - (t.signal / s.signal) ** 2;
  return { ...qPosterior(t, s), added };
}

/**
 * The network says the variance itself, or where between the logarithms of β̃ and β that of the variance lies, from −1
 * to 1 (Nichol & Dhariwal 2021, eq. 15).
 */
function withLearnedVariance(mean: Sampler, range: boolean): Sampler {
  const { levels } = mean;
  return {
    levels,
    step(index, evaluations, rng) {
      const [evaluation] = evaluations;
      const x = mean.step(index, evaluations, rng);
      if (evaluation.level.time === 0) return x;
      const { variance, added } = posterior(levels[index], levels[index + 1]);
      const [low, high] = [Math.log(Math.max(variance, 1e-20)), Math.log(added)];
      const { spread } = evaluation as Evaluation & SchedulerPrediction;
      const deviation = range
        ? tf.exp(tf.mul(tf.add(tf.mul(tf.add(spread!, 1), (high - low) / 2), low), 0.5))
        : tf.sqrt(spread!);
      return tf.add(x, tf.mul(deviation, tf.tensor4d(rng.normals(x.size), x.shape)));
    },
  };
}
