import type { Level } from '@ddpm/diffusion';
import { qPosterior } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { oneOf, refuse } from './config';
import { checkSignal, denoiseOf, noiseOf, readingOf } from './denoise';
import { linear } from './linear';
import type { Training } from './schedule';
import { levelOf, trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import { wholeTimesteps } from './spacing';

const { fround } = Math;
const types = ['epsilon', 'sample', 'v_prediction'];

/**
 * `DDIMScheduler` (Song et al. 2020, eq. 12), which goes from t to t − ⌊T/steps⌋ wherever the network is asked next,
 * and takes ε̂ from the network even where x̂_0 was clipped.
 */
export function ddim(config: SchedulerConfig, steps: number, eta: number): Scheduler {
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`schedulerFromConfig: eta must be from 0 to 1, got ${eta}`);
  const training = trainingOf(config);
  const times = wholeTimesteps(config, steps);
  const ends = times.map((t) => levelBelow(config, training, t - stride(config, steps)));
  const levels = [...times.map((t) => levelOf(training, t)), ends[ends.length - 1]];
  checkSignal(config, levels[0]);
  return {
    sampler: linear(
      config.className,
      levels,
      (index) => {
        const [level, end] = [levels[index], ends[index]];
        if (eta === 0) return { x0: [end.signal], epsilon: [end.sigma] };
        // In float32, which leaves a remainder, and so a direction, where all is to be noise.
        const deviation = fround(eta * fround(Math.sqrt(fround(qPosterior(level, end).variance))));
        const direction = Math.sqrt(Math.max(0, fround(fround(end.sigma ** 2) - fround(deviation ** 2))));
        return { x0: [end.signal], epsilon: [direction], noise: deviation };
      },
      { noiseIn: raw(config) },
    ),
    initialScale: 1,
    denoise: denoiseOf(config, { reading: readingOf(config, types) }),
  };
}

/** `DDIMInverseScheduler`: from an image to the noise that DDIM makes it of, told the timestep that it goes to. */
export function ddimInverse(config: SchedulerConfig, steps: number): Scheduler {
  oneOf(config, 'timestep_spacing', 'leading', 'trailing');
  const training = trainingOf(config);
  const times = wholeTimesteps(config, steps).reverse();
  const ends = times.map((t) => levelOf(training, t));
  const from = times.map((t) => ({ ...levelBelow(config, training, t - stride(config, steps)), time: t }));
  if (from[0].sigma === 0 && config.prediction_type === 'sample')
    refuse(config, 'prediction_type', 'where its first level holds no noise: set_alpha_to_one must be false');
  return {
    sampler: linear(
      config.className,
      [...from, ends[ends.length - 1]],
      (index) => ({ x0: [ends[index].signal], epsilon: [ends[index].sigma] }),
      { noiseIn: raw(config) },
    ),
    initialScale: 1,
    denoise: denoiseOf(config, { reading: readingOf(config, types) }),
  };
}

/** ε̂ by the network's output, whatever is done to x̂_0. */
const raw = (config: SchedulerConfig) => noiseOf({ ...config, thresholding: false });

const stride = ({ num_train_timesteps }: SchedulerConfig, steps: number) => Math.floor(num_train_timesteps / steps);

/** The level at a timestep, or below 0 that of the image, as `set_alpha_to_one` has it. */
export function levelBelow({ set_alpha_to_one }: SchedulerConfig, training: Training, t: number): Level {
  if (t >= 0) return levelOf(training, t);
  return set_alpha_to_one ? { signal: 1, sigma: 0, time: 0 } : levelOf(training, 0);
}
