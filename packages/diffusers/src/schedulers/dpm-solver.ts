import type { Level } from '@ddpm/diffusion';
import { clean, edmAt } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { oneOf, refuse } from './config';
import { denoiseOf, noiseOf } from './denoise';
import { edmLevels, edmMeaning } from './edm';
import type { Step } from './linear';
import { linear } from './linear';
import { flowSpacing, solverLevels } from './levels';
import { linspace, round } from './numbers';
import type { Training } from './schedule';
import { trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import type { Spacing } from './spacing';
import { checkSteps, namedSigmas, openTimesteps, sigmasAt, timestepAt } from './spacing';

/** Coefficients of x, of what is predicted (D_0), of its slope (D_1) and curvature (D_2), and of noise. */
interface Update {
  readonly ofX: number;
  readonly d0: number;
  readonly d1: number;
  readonly d2: number;
  readonly noise?: number;
}

const { exp, expm1, sqrt } = Math;

/** λ = log(signal/sigma), infinite at the image. */
export const lambda = ({ signal, sigma }: Level): number => Math.log(signal) - Math.log(sigma);

/**
 * A step of each of diffusers' `algorithm_type`s: DPM-Solver (Lu et al. 2022), which predicts ε, DPM-Solver++, which
 * predicts x_0, and the stochastic forms of both. Orders above what it takes give numbers that are not used.
 */
const algorithms: Readonly<Record<string, (from: Level, to: Level, heun: boolean) => Update>> = {
  'dpmsolver++': (from, to, heun) => {
    const h = lambda(to) - lambda(from);
    const d0 = -to.signal * expm1(-h);
    return {
      ofX: to.sigma / from.sigma,
      d0,
      d1: heun ? to.signal * (expm1(-h) / h + 1) : d0 / 2,
      d2: -to.signal * ((expm1(-h) + h) / h ** 2 - 0.5),
    };
  },
  dpmsolver: (from, to, heun) => {
    const h = lambda(to) - lambda(from);
    const d0 = -to.sigma * expm1(h);
    return {
      ofX: to.signal / from.signal,
      d0,
      d1: heun ? -to.sigma * (expm1(h) / h - 1) : d0 / 2,
      d2: -to.sigma * ((expm1(h) - h) / h ** 2 - 0.5),
    };
  },
  'sde-dpmsolver++': (from, to, heun) => {
    const h = lambda(to) - lambda(from);
    const d0 = -to.signal * expm1(-2 * h);
    return {
      ofX: (to.sigma / from.sigma) * exp(-h),
      d0,
      d1: heun ? to.signal * (expm1(-2 * h) / (2 * h) + 1) : d0 / 2,
      // Its signs are diffusers'; the curvature's are otherwise +.
      d2: to.signal * ((-expm1(-2 * h) - 2 * h) / (2 * h) ** 2 - 0.5),
      noise: to.sigma * sqrt(-expm1(-2 * h)),
    };
  },
  'sde-dpmsolver': (from, to, heun) => {
    const h = lambda(to) - lambda(from);
    const d0 = -2 * to.sigma * expm1(h);
    return {
      ofX: to.signal / from.signal,
      d0,
      d1: heun ? -2 * to.sigma * (expm1(h) / h - 1) : d0 / 2,
      d2: NaN,
      noise: to.sigma * sqrt(expm1(2 * h)),
    };
  },
};

/** A step's sum, where the predicted is x̂_0 or ε̂ of each evaluation, the newest first. */
function sum(config: SchedulerConfig, { ofX, noise }: Update, back: number, predicted: readonly number[]): Step {
  const x = predicted.map((_, k) => (k === back ? ofX : 0));
  return config.algorithm_type.endsWith('++') ? { x, x0: predicted, noise } : { x, epsilon: predicted, noise };
}

/**
 * `DPMSolverMultistepScheduler`: orders 1 to 3 from the last evaluations, lower at the beginning, and at the end of short
 * runs.
 */
export function dpmSolverMultistep(given: SchedulerConfig, steps: number): Scheduler {
  const config = solverConfig(given, ['dpmsolver', 'dpmsolver++', 'sde-dpmsolver', 'sde-dpmsolver++']);
  const training = trainingOf(config, { last: 2 ** -24 });
  const times = openTimesteps(config, steps, config.num_train_timesteps - beyond(config, training));
  const { levels, reading } = solverLevels(config, solverSpacing(config, training, times, steps));
  return {
    sampler: multistep(config, levels),
    initialScale: 1,
    denoise: denoiseOf(config, { reading, learned: learnedVariance(config) }),
  };
}

/** `EDMDPMSolverMultistepScheduler`: the same on EDM's levels (Karras et al. 2022). */
export function edmDpmSolverMultistep(given: SchedulerConfig, steps: number): Scheduler {
  const config = solverConfig(given, ['dpmsolver++', 'sde-dpmsolver++']);
  const levels = edmLevels(config, steps);
  const last = config.final_sigmas_type === 'zero' ? clean : edmAt(config.sigma_min!);
  return {
    sampler: multistep(config, [...levels, last]),
    initialScale: Math.hypot(config.sigma_max!, 1),
    denoise: denoiseOf(config, edmMeaning(config)),
  };
}

/** The multistep sampler, whose third order is that of its authors' code, with half of the curvature. */
function multistep(config: SchedulerConfig, levels: readonly Level[]) {
  const { solver_order: order, lower_order_final: lower, euler_at_final: euler, final_sigmas_type } = config;
  if (![1, 2, 3].includes(order)) refuse(config, 'solver_order', 'but 1, 2, 3');
  const third = config.algorithm_type !== 'sde-dpmsolver' && !sdeOfEdm(config);
  const steps = levels.length - 1;
  const lowered = lower && steps < 15;
  return linear(
    config.className,
    levels,
    (index, known) => {
      const final = index === steps - 1 && (euler || lowered || final_sigmas_type === 'zero');
      const left = index === steps - 2 && lowered ? 2 : 3;
      const now = Math.min(order, known, final ? 1 : left);
      if (now === 3 && !third) refuse(config, 'solver_order', 'but 1 and 2 with this algorithm_type');
      const past = Array.from({ length: now }, (_, k) => levels[index - k]);
      const heun = config.solver_type === 'heun' || now === 3;
      const update = algorithms[config.algorithm_type](levels[index], levels[index + 1], heun);
      const h = lambda(levels[index + 1]) - lambda(levels[index]);
      const [r0, r1] = past.slice(1).map((level, k) => (lambda(past[k]) - lambda(level)) / h);
      if (now === 1) return sum(config, update, 0, [update.d0]);
      // D_1 = (m_0 − m_1)/r_0.
      if (now === 2) return sum(config, update, 0, [update.d0 + update.d1 / r0, -update.d1 / r0]);
      // Of the slopes (m_0 − m_1)/r_0 and (m_1 − m_2)/r_1, D_1 goes on from the first by the way both differ, D_2.
      const late = update.d1 * (1 + r0 / (r0 + r1)) + update.d2 / (r0 + r1);
      const early = update.d1 - late;
      return sum(config, update, 0, [update.d0 + late / r0, -late / r0 + early / r1, -early / r1]);
    },
    { memory: order, noiseIn: noiseOf(config) },
  );
}

/**
 * `DPMSolverSinglestepScheduler`: steps of order 2 or 3 from every second or third level, with those between where the
 * slope is taken, and of lower order where what is left is no whole step.
 */
export function dpmSolverSinglestep(given: SchedulerConfig, steps: number): Scheduler {
  const config = solverConfig(given, ['dpmsolver', 'dpmsolver++', 'sde-dpmsolver++']);
  const { algorithm_type, solver_order: order, solver_type, num_train_timesteps: T } = config;
  if (![1, 2, 3].includes(order)) refuse(config, 'solver_order', 'but 1, 2, 3');
  // diffusers stops with an error there.
  if (config.thresholding && algorithm_type === 'dpmsolver')
    refuse(config, 'thresholding', "but with 'dpmsolver++' and 'sde-dpmsolver++'");
  checkSteps(config, steps, T);
  const training = trainingOf(config);
  const times = openTimesteps(
    { ...config, timestep_spacing: 'linspace', steps_offset: 0 },
    steps,
    T - beyond(config, training),
  );
  const { levels, reading } = solverLevels(config, solverSpacing(config, training, times, steps));
  const orders = singlestepOrders(config, steps);
  const sampler = linear(
    config.className,
    levels,
    (index, known) => {
      const now = Math.min(orders[index], known);
      const past = Array.from({ length: now }, (_, k) => levels[index - k]);
      const start = past[now - 1];
      const update = algorithms[algorithm_type](start, levels[index + 1], solver_type === 'heun' || now === 3);
      const h = lambda(levels[index + 1]) - lambda(start);
      const [r0, r1] = past.map((level) => (lambda(level) - lambda(start)) / h);
      if (now === 1) return sum(config, update, 0, [update.d0]);
      if (now === 2) return sum(config, update, 1, [update.d1 / r0, update.d0 - update.d1 / r0]);
      // The slopes from the start to the levels between, and D_1 and D_2 of both.
      const { d1, d2 } = update;
      const [near, far] =
        solver_type === 'heun' ? [(d1 * r0 - 2 * d2) / (r0 - r1), (-d1 * r1 + 2 * d2) / (r0 - r1)] : [0, d1];
      return sum(config, update, 2, [far / r0, near / r1, update.d0 - near / r1 - far / r0]);
    },
    { memory: order, noiseIn: noiseOf(config) },
  );
  return { sampler, initialScale: 1, denoise: denoiseOf(config, { reading, learned: learnedVariance(config) }) };
}

/** The order of each step, counted from where its whole step begins. */
function singlestepOrders(config: SchedulerConfig, steps: number): number[] {
  const { solver_order: order, final_sigmas_type } = config;
  const lower = config.lower_order_final || steps % order !== 0 || final_sigmas_type === 'zero';
  const orders = Array.from({ length: steps }, (_, i) => (i % order) + 1);
  const left = steps % order;
  // What is left ends in a step of order 1; where nothing is, the last whole step is given up for it.
  if (lower && order > 1 && left === 0) orders.splice(-order, order, ...(order === 3 ? [1, 2, 1] : [1, 1]));
  if (final_sigmas_type === 'zero') orders[steps - 1] = 1;
  return orders;
}

/** A config with the names of its own for what others call theirs, as diffusers puts them; and what all refuse. */
function solverConfig(given: SchedulerConfig, algorithms: string[]): SchedulerConfig {
  const config = {
    ...given,
    algorithm_type: given.algorithm_type === 'deis' ? 'dpmsolver++' : given.algorithm_type,
    solver_type: ['logrho', 'bh1', 'bh2'].includes(given.solver_type) ? 'midpoint' : given.solver_type,
  };
  oneOf(config, 'algorithm_type', ...algorithms);
  oneOf(config, 'solver_type', 'midpoint', 'heun');
  oneOf(config, 'final_sigmas_type', 'zero', 'sigma_min');
  if (config.final_sigmas_type === 'zero' && !config.algorithm_type.endsWith('++'))
    refuse(config, 'final_sigmas_type', "but 'sigma_min' with this algorithm_type");
  return config;
}

const sdeOfEdm = ({ className, algorithm_type }: SchedulerConfig) =>
  className.startsWith('EDM') && algorithm_type.startsWith('sde');

/** Where the network says a variance too, which these samplers leave. */
function learnedVariance(config: SchedulerConfig): boolean {
  oneOf(config, 'variance_type', null, 'fixed_small', 'fixed_large', 'learned', 'learned_range');
  return ['learned', 'learned_range'].includes(config.variance_type!);
}

/** How many timesteps lie beyond `lambda_min_clipped`. */
function beyond({ lambda_min_clipped: least }: SchedulerConfig, { alphasCumprod }: Training): number {
  return alphasCumprod.filter((alphaBar) => 0.5 * Math.log(alphaBar / (1 - alphaBar)) < least).length;
}

/** σ and timesteps: those of the timesteps, or as the config names a spacing of σ. */
function solverSpacing(config: SchedulerConfig, training: Training, open: readonly number[], steps: number): Spacing {
  const { beta_schedule, use_karras_sigmas, use_lu_lambdas = false, use_flow_sigmas } = config;
  const [low, high] = [training.sigmas[0], training.sigmas[training.sigmas.length - 1]];
  const last = config.final_sigmas_type === 'zero' ? 0 : low;
  const timesOf = (sigmas: readonly number[]) => sigmas.map((sigma) => timestepAt(training, sigma));
  const named = namedSigmas(config, high, low, steps);
  const multistep = config.className === 'DPMSolverMultistepScheduler';
  // The cosine's steps of σ are so uneven that rounding would name timesteps twice.
  const rounded = (times: number[]) =>
    multistep && beta_schedule === 'squaredcos_cap_v2' ? times : times.map((t) => round(t));
  if (named) return { sigmas: named, times: use_karras_sigmas ? rounded(timesOf(named)) : timesOf(named), last };
  if (use_lu_lambdas) {
    const [from, to] = [Math.fround(Math.log(high)), Math.fround(Math.log(low))];
    const sigmas = linspace(0, 1, steps).map((ramp) => exp(from + ramp * (to - from)));
    return { sigmas, times: rounded(timesOf(sigmas)), last };
  }
  if (use_flow_sigmas) return { ...flowSpacing(config, steps), last };
  return { sigmas: sigmasAt(training, open), times: open, last };
}
