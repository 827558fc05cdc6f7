import type { Level } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { oneOf, refuse } from './config';
import { linspace32 } from './numbers';

/** The noise of a scheduler's training timesteps, in float32 as diffusers has it: the last digits of 1 − ᾱ_0 differ. */
export interface Training {
  /** T. */
  readonly timesteps: number;
  /** ᾱ_t. */
  readonly alphasCumprod: readonly number[];
  /** √((1 − ᾱ_t)/ᾱ_t). */
  readonly sigmas: readonly number[];
}

const { fround } = Math;

/** min(1 − ᾱ(t + 1)/ᾱ(t), 0.999) of a function ᾱ of t/T (Nichol & Dhariwal 2021, eq. 17). */
const ofAlphaBar = (timesteps: number, alphaBar: (t: number) => number): number[] =>
  Array.from({ length: timesteps }, (_, i) =>
    fround(Math.min(1 - alphaBar((i + 1) / timesteps) / alphaBar(i / timesteps), 0.999)),
  );

type Betas = (config: SchedulerConfig) => number[];
const schedules: Record<string, Betas> = {
  linear: ({ beta_start, beta_end, num_train_timesteps: T }) => linspace32(beta_start, beta_end, T),
  scaled_linear: ({ beta_start, beta_end, num_train_timesteps: T }) =>
    linspace32(Math.sqrt(beta_start), Math.sqrt(beta_end), T).map((root) => fround(root * root)),
  squaredcos_cap_v2: ({ num_train_timesteps }) =>
    ofAlphaBar(num_train_timesteps, (t) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2),
  sigmoid: ({ beta_start, beta_end, num_train_timesteps: T }) =>
    linspace32(-6, 6, T).map((x) =>
      fround(fround(fround(1 / (1 + Math.exp(-x))) * fround(beta_end - beta_start)) + fround(beta_start)),
    ),
  laplace: ({ num_train_timesteps }) =>
    ofAlphaBar(num_train_timesteps, (t) => {
      const side = 0.5 - t < 0 ? -1 : 1;
      const snr = Math.exp(-0.5 * side * Math.log(1 - 2 * Math.abs(0.5 - t) + 1e-6));
      return Math.sqrt(snr / (1 + snr));
    }),
  exp: ({ num_train_timesteps }) => ofAlphaBar(num_train_timesteps, (t) => Math.exp(-12 * t)),
};

const cumulated = (betas: readonly number[]): number[] => {
  let product = 1;
  return betas.map((beta) => fround((product *= fround(1 - beta))));
};

/** Lin et al. 2024, Algorithm 1: √ᾱ_t is shifted so that the last is 0, and scaled so that the first stays. */
function withZeroTerminalSnr(betas: readonly number[]): number[] {
  const roots = cumulated(betas).map((alphaBar) => fround(Math.sqrt(alphaBar)));
  const [first, last] = [roots[0], roots[roots.length - 1]];
  const factor = fround(first / fround(first - last));
  const alphaBars = roots.map((root) => fround(fround(fround(root - last) * factor) ** 2));
  return alphaBars.map((alphaBar, t) => fround(1 - (t === 0 ? alphaBar : fround(alphaBar / alphaBars[t - 1]))));
}

/**
 * The noise that a config was trained with.
 * @param carried the class's `beta_schedule`s
 * @param options.last ᾱ_{T−1} where the terminal SNR is made zero: schedulers that divide by it have 2⁻²⁴
 * @throws RangeError if the config has another schedule, or β that are none
 */
export function trainingOf(config: SchedulerConfig, { more = [] as string[], last = 0 } = {}): Training {
  const { num_train_timesteps: T, trained_betas: trained, beta_schedule, rescale_betas_zero_snr = false } = config;
  if (!Number.isInteger(T) || T < 1) refuse(config, 'num_train_timesteps', 'which must be a whole number above 0');
  if (trained === null) oneOf(config, 'beta_schedule', 'linear', 'scaled_linear', 'squaredcos_cap_v2', ...more);
  else if (trained.length !== T)
    throw new RangeError(
      `schedulerFromConfig: ${config.className}'s trained_betas should be num_train_timesteps = ${T} numbers, got ${trained.length}`,
    );
  const betas = trained ? trained.map(fround) : schedules[beta_schedule](config);
  const wrong = betas.findIndex((beta) => !(beta > 0 && beta < 1));
  if (wrong >= 0)
    throw new RangeError(
      `schedulerFromConfig: ${config.className}'s β must lie between 0 and 1, got ${betas[wrong]} at t = ${wrong}`,
    );
  const alphasCumprod = cumulated(rescale_betas_zero_snr ? withZeroTerminalSnr(betas) : betas);
  if (rescale_betas_zero_snr) alphasCumprod[T - 1] = last;
  return {
    timesteps: T,
    alphasCumprod,
    sigmas: alphasCumprod.map((alphaBar) => fround(Math.sqrt(fround(fround(1 - alphaBar) / alphaBar)))),
  };
}

/** The level at a timestep, for a network that is told `time`. */
export function levelOf({ alphasCumprod, timesteps }: Training, t: number, time = t): Level {
  if (!(t >= 0 && t < timesteps))
    throw new RangeError(`schedulerFromConfig: these options ask for timestep ${t} of ${timesteps}`);
  return { signal: Math.sqrt(alphasCumprod[t]), sigma: Math.sqrt(1 - alphasCumprod[t]), time };
}
