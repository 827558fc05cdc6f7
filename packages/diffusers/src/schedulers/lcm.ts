import { clean, lcm as sampler } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { checkSignal, denoiseOf, readingOf } from './denoise';
import { levelOf, trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import { checkSteps } from './spacing';

/**
 * `LCMScheduler` (Luo et al. 2023), at some of the timesteps that the model was distilled at. What the class is given of
 * spacing and of the last ᾱ, it does not use.
 */
export function lcm(config: SchedulerConfig, steps: number): Scheduler {
  const { num_train_timesteps: T, original_inference_steps: original, timestep_scaling: timestepScaling } = config;
  const training = trainingOf(config);
  checkSteps(config, original, T);
  checkSteps(config, steps, original);
  const stride = Math.floor(T / original);
  const levels = Array.from({ length: steps }, (_, i) =>
    levelOf(training, (original - Math.floor(i * (original / steps))) * stride - 1),
  );
  checkSignal(config, levels[0]);
  return {
    sampler: sampler([...levels, clean], { timestepScaling }),
    initialScale: 1,
    denoise: denoiseOf(config, { reading: readingOf(config, ['epsilon', 'sample', 'v_prediction']) }),
  };
}
