import { deis as sampler } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { refuse } from './config';
import { denoiseOf } from './denoise';
import { flowSpacing, solverLevels } from './levels';
import { round } from './numbers';
import type { Training } from './schedule';
import { trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import type { Spacing } from './spacing';
import { namedSigmas, openTimesteps, sigmasAt, timestepAt } from './spacing';

/** `DEISMultistepScheduler` (Zhang & Chen 2022, in log ρ), which ends at the least σ, not at the image. */
export function deis(config: SchedulerConfig, steps: number): Scheduler {
  const { algorithm_type, solver_type, solver_order: order, lower_order_final: lowerOrderFinal } = config;
  // The names of other solvers' mean its own.
  if (!['deis', 'dpmsolver', 'dpmsolver++'].includes(algorithm_type)) refuse(config, 'algorithm_type', "but 'deis'");
  if (!['logrho', 'midpoint', 'heun', 'bh1', 'bh2'].includes(solver_type))
    refuse(config, 'solver_type', "but 'logrho'");
  if (![1, 2, 3].includes(order)) refuse(config, 'solver_order', 'but 1, 2, 3');
  // The first and last steps are so short that of diffusers' coefficients, in float32, only rounding is left.
  if (order === 3 && config.use_beta_sigmas) refuse(config, 'solver_order', 'but 1 and 2 with use_beta_sigmas');
  const { levels, reading } = solverLevels(config, deisSpacing(config, trainingOf(config), steps));
  return {
    sampler: sampler(levels, { order, lowerOrderFinal: lowerOrderFinal && steps < 15, cautious: false }),
    initialScale: 1,
    denoise: denoiseOf(config, { reading }),
  };
}

/** σ and timesteps; where the config names a spacing of σ, the last step goes nowhere. */
function deisSpacing(config: SchedulerConfig, training: Training, steps: number): Spacing {
  const { num_train_timesteps: T, use_karras_sigmas, use_flow_sigmas } = config;
  const named = namedSigmas(config, training.sigmas[T - 1], training.sigmas[0], steps);
  const open = openTimesteps(config, steps);
  if (named) {
    const times = named.map((sigma) => timestepAt(training, sigma));
    return { sigmas: named, times: use_karras_sigmas ? times.map((t) => round(t)) : times, last: named[steps - 1] };
  }
  if (use_flow_sigmas) {
    const { sigmas, times } = flowSpacing(config, steps);
    return { sigmas, times, last: sigmas[steps - 1] };
  }
  return { sigmas: sigmasAt(training, open), times: open, last: training.sigmas[0] };
}
