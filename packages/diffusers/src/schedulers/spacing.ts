import type { SchedulerConfig } from './config';
import { refuse } from './config';
import { arange, betaQuantile, interpolate, linspace, round } from './numbers';
import type { Training } from './schedule';

/** Where the network is asked: σ and the timestep that it is told, from noise to image, and the σ at the end. */
export interface Spacing {
  readonly sigmas: readonly number[];
  readonly times: readonly number[];
  readonly last: number;
}

const { fround } = Math;

/**
 * Whole timesteps, from noise to image, as DDPM, DDIM and PNDM space them (Lin et al. 2024, table 2).
 * @throws RangeError if the spacing is another, or there are more steps than timesteps
 */
export function wholeTimesteps(config: SchedulerConfig, steps: number): number[] {
  const { num_train_timesteps: T, timestep_spacing: spacing, steps_offset: offset } = config;
  checkSteps(config, steps, T);
  if (spacing === 'leading')
    return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * Math.floor(T / steps) + offset);
  return spacing === 'linspace'
    ? linspace(0, T - 1, steps)
        .map((t) => round(t))
        .reverse()
    : trailing(config, T, T / steps);
}

/**
 * Whole timesteps of the multistep solvers: one more than there are steps, without the last, which is 0.
 * @param end one more than the greatest
 */
export function openTimesteps(config: SchedulerConfig, steps: number, end = config.num_train_timesteps): number[] {
  const { num_train_timesteps: T, timestep_spacing: spacing, steps_offset: offset } = config;
  checkSteps(config, steps, T);
  if (spacing === 'trailing') return trailing(config, end, T / steps);
  const all =
    spacing === 'leading'
      ? Array.from({ length: steps + 1 }, (_, i) => i * Math.floor(end / (steps + 1)))
      : linspace(0, end - 1, steps + 1).map((t) => round(t));
  return all
    .slice(1)
    .reverse()
    .map((t) => (spacing === 'leading' ? t + offset : t));
}

/** Timesteps of k-diffusion's samplers, which may lie between two. */
export function fractionalTimesteps(config: SchedulerConfig, steps: number): number[] {
  const { num_train_timesteps: T, timestep_spacing: spacing } = config;
  if (spacing !== 'linspace') return wholeTimesteps(config, steps);
  checkSteps(config, steps, T);
  return linspace(0, T - 1, steps)
    .map((t) => fround(t))
    .reverse();
}

function trailing(config: SchedulerConfig, end: number, stride: number): number[] {
  if (config.timestep_spacing !== 'trailing') refuse(config, 'timestep_spacing', 'but linspace, leading, trailing');
  return arange(end, 0, -stride).map((t) => round(t) - 1);
}

/** @throws RangeError unless there are as many steps as can be */
export function checkSteps({ className }: SchedulerConfig, steps: number, most: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > most)
    throw new RangeError(
      `schedulerFromConfig: ${className}'s steps must be a whole number from 1 to ${most}, got ${steps}`,
    );
}

/**
 * The σ that a config asks for by name, between two ends: Karras et al. 2022, eq. 5; even ratios; or the quantiles of a
 * beta distribution (Lee et al. 2024). None if it names none.
 * @throws RangeError if it names two
 */
export function namedSigmas(config: SchedulerConfig, from: number, to: number, steps: number): number[] | undefined {
  const { use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas } = config;
  const [high, low] = [config.sigma_max ?? from, config.sigma_min ?? to];
  if (Number(use_karras_sigmas) + Number(use_exponential_sigmas) + Number(use_beta_sigmas) > 1)
    throw new RangeError(
      `schedulerFromConfig: ${config.className} takes one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas, got several`,
    );
  if (use_karras_sigmas) return karras(high, low, linspace(0, 1, steps), 7);
  if (use_exponential_sigmas) return linspace(Math.log(high), Math.log(low), steps).map(Math.exp);
  if (use_beta_sigmas) return linspace(0, 1, steps).map((ramp) => low + betaQuantile(1 - ramp, 0.6) * (high - low));
  return undefined;
}

/** σ with σ^(1/ρ) in even steps, where `ramp` goes from 0 to 1 (Karras et al. 2022, eq. 5). */
export const karras = (high: number, low: number, ramp: readonly number[], rho: number): number[] =>
  ramp.map((at) => (high ** (1 / rho) + at * (low ** (1 / rho) - high ** (1 / rho))) ** rho);

/** The timestep at a σ, between two in proportion of log σ, as k-diffusion has it. */
export function timestepAt({ sigmas }: Training, sigma: number): number {
  const logs = logsOf(sigmas);
  const log = Math.log(Math.max(sigma, 1e-10));
  let below = 0;
  while (below < logs.length - 2 && logs[below + 1] <= log) below++;
  const weight = (logs[below] - log) / fround(logs[below] - logs[below + 1]);
  const within = Math.min(Math.max(weight, 0), 1);
  return (1 - within) * below + within * (below + 1);
}

const known = new WeakMap<readonly number[], readonly number[]>();
function logsOf(sigmas: readonly number[]): readonly number[] {
  const logs = known.get(sigmas) ?? sigmas.map((sigma) => fround(Math.log(sigma)));
  known.set(sigmas, logs);
  return logs;
}

/** The σ at timesteps, in proportion between two. */
export const sigmasAt = ({ sigmas }: Training, times: readonly number[]): number[] =>
  times.map((t) => interpolate(sigmas, t));
