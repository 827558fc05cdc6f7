import type { Level } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { oneOf } from './config';
import type { Reading } from './denoise';
import { readingOf } from './denoise';
import { linspace } from './numbers';
import type { Spacing } from './spacing';

/** The level of noise-to-signal ratio σ whose squares add up to 1. */
const preserving = (sigma: number, time: number): Level => {
  const signal = 1 / Math.hypot(sigma, 1);
  return { signal, sigma: sigma * signal, time };
};

/** A flow's level: x = (1 − σ)·x_0 + σ·ε. */
export const flowLevel = (sigma: number, time: number): Level => ({ signal: 1 - sigma, sigma, time });

/** Where the multistep solvers ask, told whole timesteps, and how what the network says is read. */
export function solverLevels(
  config: SchedulerConfig,
  { sigmas, times, last }: Spacing,
): { readonly levels: Level[]; readonly reading: (level: Level) => Reading } {
  // Which shift it is to be depends on the images' size, which no config says.
  oneOf(config, 'use_dynamic_shifting', false);
  const at = config.use_flow_sigmas ? flowLevel : preserving;
  // What predicts ε has no word for a flow's output.
  const flow = !['dpmsolver', 'sde-dpmsolver'].includes(config.algorithm_type) && config.predict_x0 !== false;
  const types = config.use_flow_sigmas
    ? ['epsilon', ...(flow ? ['flow_prediction'] : [])]
    : ['epsilon', 'v_prediction'];
  return {
    levels: [...sigmas.map((sigma, i) => at(Math.fround(sigma), Math.trunc(times[i]))), at(Math.fround(last), 0)],
    reading: readingOf(config, ['sample', ...types]),
  };
}

/** σ of a flow from noise to image, shifted (Esser et al. 2024, eq. 23). */
export function flowSpacing({ num_train_timesteps: T, flow_shift: shift }: SchedulerConfig, steps: number) {
  const sigmas = linspace(1, 1 / T, steps + 1)
    .map((alpha) => shifted(1 - alpha, shift))
    .slice(1)
    .reverse();
  return { sigmas, times: sigmas.map((sigma) => sigma * T) };
}

/** σ when the noise of larger images is to hide as much (Esser et al. 2024, eq. 23). */
export const shifted = (sigma: number, shift: number): number => (shift * sigma) / (1 + (shift - 1) * sigma);

/** σ stretched so that the last is `terminal`. */
export function toTerminal(sigmas: readonly number[], terminal: number): number[] {
  const factor = (1 - sigmas[sigmas.length - 1]) / (1 - terminal);
  return sigmas.map((sigma) => 1 - (1 - sigma) / factor);
}
