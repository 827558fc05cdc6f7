import type { Evaluation, Level, Sampler } from '@ddpm/diffusion';
import type { NormalSource } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { SchedulerConfig } from './config';
import { oneOf } from './config';
import type { Meaning } from './denoise';
import { denoiseOf, readingOf, toUnit } from './denoise';
import { linspace32, round } from './numbers';
import type { Training } from './schedule';
import { trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import { fractionalTimesteps, namedSigmas, sigmasAt, timestepAt } from './spacing';

const { fround } = Math;

/**
 * Schedulers whose x is x_0 + σε, from k-diffusion: their levels have signal 1, and the network is given x scaled to
 * variance 1.
 */
const levelAt = (sigma: number, time: number): Level => ({ signal: 1, sigma: fround(sigma), time });

/** `EulerDiscreteScheduler` (Karras et al. 2022, Algorithm 2 without churn or correction). */
export function euler(config: SchedulerConfig, steps: number): Scheduler {
  oneOf(config, 'interpolation_type', 'linear', 'log_linear');
  oneOf(config, 'timestep_type', 'discrete', 'continuous');
  oneOf(config, 'final_sigmas_type', 'zero', 'sigma_min');
  const { final_sigmas_type, interpolation_type, timestep_type, prediction_type, num_train_timesteps: T } = config;
  const training = trainingOf(config, { last: 2 ** -24 });
  const spaced = levelsOf(config, training, steps);
  const named = config.use_karras_sigmas || config.use_exponential_sigmas || config.use_beta_sigmas;
  // σ in even ratios, one more than there are steps: the way ends at the schedule's least.
  const [high, low] = [training.sigmas[T - 1], training.sigmas[0]].map((sigma) => fround(Math.log(sigma)));
  const even = linspace32(high, low, steps + 1).map(Math.exp);
  const logLinear = interpolation_type === 'log_linear' && !named;
  const ratios = logLinear ? even.slice(0, -1) : spaced.map(({ sigma }) => sigma);
  const continuous = timestep_type === 'continuous' && prediction_type === 'v_prediction';
  const levels = ratios.map((sigma, i) => levelAt(sigma, continuous ? fround(0.25 * Math.log(sigma)) : spaced[i].time));
  const last = logLinear ? even[steps] : final_sigmas_type === 'zero' ? 0 : training.sigmas[0];
  return {
    sampler: eulerSteps([...levels, levelAt(last, 0)]),
    initialScale: initialScale(config, levels),
    denoise: denoiseOf(config, meaning(config, 'sample')),
  };
}

/** `EulerAncestralDiscreteScheduler`: to a lower σ, and then noise up to the next level's. */
export function eulerAncestral(config: SchedulerConfig, steps: number): Scheduler {
  const levels = levelsOf(config, trainingOf(config, { last: 2 ** -24 }), steps);
  return {
    sampler: eulerSteps([...levels, levelAt(0, 0)], ancestral),
    initialScale: initialScale(config, levels),
    denoise: denoiseOf(config, meaning(config)),
  };
}

/** Steps of Euler's method to each next σ, or to a lower one and then up with noise. */
const eulerSteps = (levels: readonly Level[], split?: typeof ancestral): Sampler => ({
  levels,
  step(index, [evaluation], rng) {
    const [{ sigma }, { sigma: next }] = [evaluation.level, levels[index + 1]];
    const { up, down } = split?.(sigma, next) ?? { up: undefined, down: next };
    return noisy(along(evaluation.x, slope(evaluation), down - sigma), up, rng);
  },
});

/** dx/dσ = (x − x̂_0)/σ. */
const slope = ({ x, x0, level }: Evaluation): tf.Tensor4D => tf.div(tf.sub(x, x0), level.sigma);

/**
 * x a way along a slope. With σ of 20,000, as the cosine's, float32 leaves few digits of the sum, and to have diffusers'
 * it must be done in its order.
 */
const along = (x: tf.Tensor4D, ofX: tf.Tensor4D, way: number): tf.Tensor4D => tf.add(x, tf.mul(ofX, way));

/** x with so much noise, if any is drawn. */
const noisy = (x: tf.Tensor4D, up: number | undefined, rng: NormalSource): tf.Tensor4D =>
  up === undefined ? x : tf.add(x, tf.mul(tf.tensor4d(rng.normals(x.size), x.shape), up));

/** How much noise goes up to the next σ, and the σ that the step goes to before, in float32 as diffusers has them. */
function ancestral(from: number, to: number) {
  const [square, next] = [fround(from * from), fround(to * to)];
  const up = fround(Math.sqrt(fround(fround(next * fround(square - next)) / square)));
  return { up, down: fround(Math.sqrt(Math.max(0, fround(next - fround(up * up))))) };
}

/** `HeunDiscreteScheduler` (Karras et al. 2022, Algorithm 2 without churn). */
export function heun(config: SchedulerConfig, steps: number): Scheduler {
  const levels = levelsOf(config, trainingOf(config, { more: ['exp'] }), steps);
  return {
    sampler: heunSteps(levels),
    initialScale: initialScale(config, levels),
    denoise: denoiseOf(config, meaning(config, 'sample')),
  };
}

/** Each step asks at its end too, and goes along the mean of both slopes; the last, to the image, does not. */
function heunSteps(starts: readonly Level[]): Sampler {
  const [first, ...rest] = starts;
  const levels = [first, ...rest.flatMap((level) => [level, level]), levelAt(0, 0)];
  return {
    levels,
    memory: 2,
    step(index, evaluations) {
      const [now, before] = evaluations;
      if (index % 2 === 0) return along(now.x, slope(now), levels[index + 1].sigma - levels[index].sigma);
      checkBefore('HeunDiscreteScheduler', index, before);
      const mean = tf.div<tf.Tensor4D>(tf.add(slope(before), slope(now)), 2);
      return along(before.x, mean, levels[index].sigma - levels[index - 1].sigma);
    },
  };
}

/** `KDPM2DiscreteScheduler`: to the geometric mean of σ at both ends, then the whole way along the slope there. */
export const kdpm2 = (config: SchedulerConfig, steps: number): Scheduler => secondOrder(config, steps, false);

/** `KDPM2AncestralDiscreteScheduler`: the same to a lower σ, and then noise up to the next level's. */
export const kdpm2Ancestral = (config: SchedulerConfig, steps: number): Scheduler => secondOrder(config, steps, true);

function secondOrder(config: SchedulerConfig, steps: number, isAncestral: boolean): Scheduler {
  const training = trainingOf(config);
  const starts = levelsOf(config, training, steps).map((level) =>
    config.use_karras_sigmas ? { ...level, time: round(level.time) } : level,
  );
  const ways = starts.map(({ sigma }, i) => {
    const next = starts[i + 1]?.sigma ?? 0;
    const { up, down } = isAncestral ? ancestral(sigma, next) : { up: 0, down: next };
    return { down, up, middle: fround(Math.sqrt(sigma * down)) };
  });
  // The last step goes to the image at once.
  const levels = starts.flatMap((level, i) =>
    i < steps - 1 ? [level, levelAt(ways[i].middle, timestepAt(training, ways[i].middle))] : [level, levelAt(0, 0)],
  );
  const sampler: Sampler = {
    levels,
    memory: 2,
    step(index, evaluations, rng) {
      const [now, before] = evaluations;
      const { down, up, middle } = ways[Math.floor(index / 2)];
      if (index % 2 === 0) return along(now.x, slope(now), middle - levels[index].sigma);
      checkBefore(config.className, index, before);
      const x = along(before.x, slope(now), down - levels[index - 1].sigma);
      return noisy(x, isAncestral ? up : undefined, rng);
    },
  };
  return { sampler, initialScale: initialScale(config, levels), denoise: denoiseOf(config, meaning(config)) };
}

/** @throws RangeError if there is no evaluation that a step began with */
function checkBefore(who: string, index: number, before?: Evaluation): asserts before is Evaluation {
  if (!before)
    throw new RangeError(`${who}: sampling cannot begin at level ${index}, which is in the middle of a step`);
}

/** Where the network is asked. */
function levelsOf(config: SchedulerConfig, training: Training, steps: number): Level[] {
  const times = fractionalTimesteps(config, steps);
  const sigmas = sigmasAt(training, times);
  const { use_karras_sigmas = false, use_exponential_sigmas = false, use_beta_sigmas = false } = config;
  // Euler's log_linear replaces the ends by those of the schedule.
  const logLinear = config.interpolation_type === 'log_linear';
  const [from, to] = logLinear
    ? [training.sigmas[training.timesteps - 1], training.sigmas[0]]
    : [sigmas[0], sigmas[sigmas.length - 1]];
  const named = namedSigmas({ ...config, use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas }, from, to, steps);
  return (named ?? sigmas).map((sigma, i) => levelAt(sigma, named ? timestepAt(training, sigma) : times[i]));
}

/** `init_noise_sigma`. */
function initialScale({ timestep_spacing }: SchedulerConfig, levels: readonly Level[]): number {
  const most = Math.max(...levels.map(({ sigma }) => sigma));
  return timestep_spacing === 'leading' ? Math.hypot(most, 1) : most;
}

const meaning = (config: SchedulerConfig, ...more: string[]): Meaning => ({
  reading: readingOf(config, ['epsilon', 'v_prediction', ...more]),
  inputScale: toUnit,
});
