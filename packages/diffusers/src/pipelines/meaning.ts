import type { Parameterisation } from '@ddpm/diffusion';
import { epsilon, image, learnedRange, velocity } from '@ddpm/diffusion';
import type { NoiseSchedule } from '@ddpm/schedules';
import { scheduleFromBetas } from '@ddpm/schedules';
import { readSchedulerConfig, refuse } from '../schedulers/config';
import { trainingOf } from '../schedulers/schedule';

const parameterisations: Readonly<Record<string, Parameterisation>> = {
  epsilon,
  sample: image,
  v_prediction: velocity,
};

/**
 * The schedule and parameterisation that a network was trained with, by a `scheduler_config.json`: all that any other
 * sampler needs of it.
 * @throws RangeError that names what is not carried
 */
export function trainingFromConfig(config: Readonly<Record<string, unknown>>): {
  readonly schedule: NoiseSchedule;
  readonly parameterisation: Parameterisation;
} {
  const read = readSchedulerConfig(config);
  if (read.beta_schedule === undefined)
    throw new RangeError(`schedulerFromConfig: ${read.className} has no schedule of timesteps`);
  const parameterisation = parameterisations[read.prediction_type];
  if (!parameterisation) refuse(read, 'prediction_type', 'but epsilon, sample, v_prediction');
  if (read.variance_type === 'learned') refuse(read, 'variance_type', 'but learned_range');
  const { alphasCumprod } = trainingOf(read, { more: ['sigmoid', 'laplace', 'exp'] });
  return {
    schedule: scheduleFromBetas(
      alphasCumprod.map((alphaBar, t) => 1 - alphaBar / (t === 0 ? 1 : alphasCumprod[t - 1])),
    ),
    parameterisation: read.variance_type === 'learned_range' ? learnedRange(parameterisation) : parameterisation,
  };
}
