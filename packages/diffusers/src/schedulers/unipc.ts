import type { Level } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { oneOf, refuse } from './config';
import { denoiseOf, noiseOf } from './denoise';
import { lambda } from './dpm-solver';
import { shifted, solverLevels, toTerminal } from './levels';
import { linear } from './linear';
import { linspace, round } from './numbers';
import type { Training } from './schedule';
import { trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import type { Spacing } from './spacing';
import { namedSigmas, openTimesteps, sigmasAt, timestepAt } from './spacing';

/** The coefficients of what is predicted at each evaluation, the newest first, which a step adds up. */
type Coefficients = number[];

/** `UniPCMultistepScheduler` (Zhao et al. 2023): a predictor, and a corrector that needs no evaluation of its own. */
export function uniPc(given: SchedulerConfig, steps: number): Scheduler {
  // As diffusers puts its own name for other solvers'.
  const solver_type = ['midpoint', 'heun', 'logrho'].includes(given.solver_type) ? 'bh2' : given.solver_type;
  const config = { ...given, solver_type };
  const { solver_order: order, predict_x0, disable_corrector, final_sigmas_type } = config;
  oneOf(config, 'solver_type', 'bh1', 'bh2');
  oneOf(config, 'final_sigmas_type', 'zero', 'sigma_min');
  if (!Number.isInteger(order) || order < 1) refuse(config, 'solver_order', 'but 1, 2, 3');
  if (!predict_x0) oneOf(config, 'thresholding', false);
  // B(h) is infinite there, and diffusers multiplies it by 0.
  if (solver_type === 'bh1' && final_sigmas_type === 'zero')
    refuse(config, 'solver_type', "whose last step is no number in diffusers, but with final_sigmas_type 'sigma_min'");
  const training = trainingOf(config, { last: 2 ** -24 });
  const { levels, reading } = solverLevels(config, uniPcSpacing(config, training, steps));
  const orderAt = (index: number, known: number) =>
    Math.min(order, known, config.lower_order_final ? steps - index : order);
  const sampler = linear(
    config.className,
    levels,
    (index, known) => {
      const at = (k: number) => levels[index - k];
      const next = levels[index + 1];
      const h = lambda(next) - lambda(at(0));
      const ofX = predict_x0 ? next.sigma / at(0).sigma : next.signal / at(0).signal;
      const predicted: Coefficients = Array<number>(known).fill(0);
      const add = (coefficients: Coefficients, factor = 1) =>
        coefficients.forEach((coefficient, k) => (predicted[k] += factor * coefficient));
      if (index > 0 && known > 1 && !disable_corrector.includes(index - 1)) {
        // x is what the predictor made of the corrected x before it: its bend goes, and the corrector's comes.
        const past = Array.from({ length: orderAt(index - 1, known - 1) }, (_, k) => at(k + 1));
        add([0, ...bend(config, past, at(0))], -ofX);
        const [end, ...others] = bend(config, past, at(0), true);
        add([end, ...others], ofX);
      }
      predicted[0] -= predict_x0 ? next.signal * Math.expm1(-h) : next.sigma * Math.expm1(h);
      add(
        bend(
          config,
          Array.from({ length: orderAt(index, known) }, (_, k) => at(k)),
          next,
        ),
      );
      return predict_x0 ? { x: [ofX], x0: predicted } : { x: [ofX], epsilon: predicted };
    },
    { memory: order + 1, noiseIn: noiseOf(config) },
  );
  return { sampler, initialScale: 1, denoise: denoiseOf(config, { reading }) };
}

/**
 * The addition of a step to that of order 1, because what is predicted changes along it.
 * @param past where it was predicted, the newest first, which is where the step begins
 * @param corrects whether it is known at the end too, which is then the first of the coefficients
 */
function bend(
  { predict_x0, solver_type }: SchedulerConfig,
  past: readonly Level[],
  to: Level,
  corrects = false,
): Coefficients {
  const [start, ...before] = past;
  const h = lambda(to) - lambda(start);
  const ratios = [...before.map((level) => (lambda(level) - lambda(start)) / h), ...(corrects ? [1] : [])];
  if (ratios.length === 0) return [0];
  const z = predict_x0 ? -h : h;
  const scale = solver_type === 'bh1' ? z : Math.expm1(z);
  // Where there is one unknown, a half meets the condition to the same order.
  const rhos = ratios.length === 1 ? [0.5] : solve(ratios, moments(z, ratios.length, scale));
  const factors = rhos.map((rho, i) => (-(predict_x0 ? to.signal : to.sigma) * scale * rho) / ratios[i]);
  const ofStart = -factors.reduce((sum, factor) => sum + factor, 0);
  return corrects ? [factors[factors.length - 1], ofStart, ...factors.slice(0, -1)] : [ofStart, ...factors];
}

/** b_k = k! φ_{k+1}(z) z/B, where φ_1(z) = (e^z − 1)/z and φ_{k+1}(z) = (φ_k(z) − 1/k!)/z. */
function moments(z: number, count: number, scale: number): number[] {
  let [phi, factorial] = [Math.expm1(z) / z - 1, 1];
  return Array.from({ length: count }, (_, k) => {
    const b = (phi * factorial) / scale;
    factorial *= k + 2;
    phi = phi / z - 1 / factorial;
    return b;
  });
}

/** ρ with Σ_i ratio_i^k ρ_i = b_k for k = 0, 1, …, by elimination. */
function solve(ratios: readonly number[], b: readonly number[]): number[] {
  const n = ratios.length;
  const rows = b.map((right, k) => [...ratios.map((ratio) => ratio ** k), right]);
  for (let i = 0; i < n; i++) {
    const pivot = rows
      .slice(i)
      .reduce((best, row, k) => (Math.abs(row[i]) > Math.abs(rows[best][i]) ? i + k : best), i);
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let k = 0; k < n; k++) {
      if (k === i) continue;
      const factor = rows[k][i] / rows[i][i];
      rows[k] = rows[k].map((value, j) => value - factor * rows[i][j]);
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

/** σ and timesteps. Where the config names a spacing of σ, `sigma_min` is its own least, not the schedule's. */
function uniPcSpacing(config: SchedulerConfig, training: Training, steps: number): Spacing {
  const { num_train_timesteps: T, use_flow_sigmas, use_karras_sigmas, shift_terminal } = config;
  const open = openTimesteps(config, steps);
  const named = namedSigmas(config, training.sigmas[T - 1], training.sigmas[0], steps);
  const last = (sigmas: readonly number[]) => (config.final_sigmas_type === 'zero' ? 0 : sigmas[sigmas.length - 1]);
  if (shift_terminal !== null && !use_flow_sigmas) refuse(config, 'shift_terminal', 'but with use_flow_sigmas');
  if (named) {
    if (use_flow_sigmas) {
      // Those of exponential and beta stay ratios in diffusers, though they are read as a flow's.
      if (!use_karras_sigmas) refuse(config, 'use_flow_sigmas', 'but alone or with use_karras_sigmas');
      const sigmas = named.map((sigma) => sigma / (sigma + 1));
      return { sigmas, times: sigmas.map((sigma) => sigma * T), last: last(sigmas) };
    }
    const times = named.map((sigma) => timestepAt(training, sigma));
    return { sigmas: named, times: use_karras_sigmas ? times.map((t) => round(t)) : times, last: last(named) };
  }
  if (use_flow_sigmas) {
    const even = linspace(1, 1 / T, steps + 1)
      .slice(0, -1)
      .map((sigma) => shifted(sigma, config.flow_shift));
    const sigmas = shift_terminal ? toTerminal(even, shift_terminal) : even;
    // Noise alone has no λ.
    if (Math.abs(sigmas[0] - 1) < 1e-6) sigmas[0] -= 1e-6;
    return { sigmas, times: sigmas.map((sigma) => sigma * T), last: last(sigmas) };
  }
  return {
    sigmas: sigmasAt(training, open),
    times: open,
    last: config.final_sigmas_type === 'zero' ? 0 : training.sigmas[0],
  };
}
