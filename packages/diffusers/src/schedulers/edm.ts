import type { Level } from '@ddpm/diffusion';
import { clean, edmAt, euler } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { oneOf } from './config';
import type { Meaning } from './denoise';
import { denoiseOf } from './denoise';
import { linspace, linspace32 } from './numbers';
import type { Scheduler } from './scheduler';
import { checkSteps, karras } from './spacing';

/** `EDMEulerScheduler` (Karras et al. 2022): Euler's method on EDM's levels. */
export function edmEuler(config: SchedulerConfig, steps: number): Scheduler {
  oneOf(config, 'final_sigmas_type', 'zero', 'sigma_min');
  const levels = edmLevels(config, steps);
  const last = config.final_sigmas_type === 'zero' ? clean : levels[steps - 1];
  return {
    sampler: euler([...levels, last]),
    initialScale: Math.hypot(config.sigma_max!, 1),
    denoise: denoiseOf(config, edmMeaning(config)),
  };
}

/** EDM's levels of so many steps, whose time is ln(σ)/4; not the last one's end. */
export function edmLevels(config: SchedulerConfig, steps: number): Level[] {
  const { sigma_min: low, sigma_max: high, sigma_schedule, rho } = config;
  checkSteps(config, steps, Infinity);
  oneOf(config, 'sigma_schedule', 'karras', 'exponential');
  if (!(low! > 0 && high! >= low!))
    throw new RangeError(
      `schedulerFromConfig: ${config.className}'s sigma_min and sigma_max must be two numbers above 0, got ${low} and ${high}`,
    );
  const sigmas =
    sigma_schedule === 'karras'
      ? karras(high!, low!, linspace(0, 1, steps), rho)
      : linspace32(Math.log(low!), Math.log(high!), steps).map(Math.exp).reverse();
  return sigmas.map((sigma) => ({ ...edmAt(Math.fround(sigma)), time: Math.fround(0.25 * Math.log(sigma)) }));
}

/** EDM's preconditioning (Karras et al. 2022, table 1). */
export function edmMeaning(config: SchedulerConfig): Meaning {
  oneOf(config, 'prediction_type', 'epsilon', 'v_prediction');
  const { sigma_data: data, prediction_type } = config;
  const side = prediction_type === 'epsilon' ? 1 : -1;
  return {
    inputScale: ({ sigma }) => 1 / Math.hypot(sigma, data),
    reading: ({ sigma }) => ({
      ofX: data ** 2 / (sigma ** 2 + data ** 2),
      ofOutput: (side * sigma * data) / Math.hypot(sigma, data),
      over: 1,
    }),
  };
}
