/**
 * The options of diffusers' schedulers by their class, with their defaults (diffusers 0.42.1), and the names of options
 * that stand in other classes only.
 */

/** The options of all schedulers that are carried, by diffusers' names. */
export interface SchedulerOptions {
  readonly num_train_timesteps: number;
  readonly beta_start: number;
  readonly beta_end: number;
  readonly beta_schedule: string;
  readonly trained_betas: readonly number[] | null;
  readonly rescale_betas_zero_snr: boolean;
  readonly prediction_type: string;
  readonly variance_type: string | null;
  readonly clip_sample: boolean;
  readonly clip_sample_range: number;
  readonly thresholding: boolean;
  readonly dynamic_thresholding_ratio: number;
  readonly sample_max_value: number;
  readonly timestep_spacing: string;
  readonly timestep_type: string;
  readonly timestep_scaling: number;
  readonly steps_offset: number;
  readonly set_alpha_to_one: boolean;
  readonly skip_prk_steps: boolean;
  readonly solver_order: number;
  readonly solver_type: string;
  readonly algorithm_type: string;
  readonly predict_x0: boolean;
  readonly disable_corrector: readonly number[];
  readonly solver_p: null;
  readonly lower_order_final: boolean;
  readonly euler_at_final: boolean;
  readonly final_sigmas_type: string;
  readonly lambda_min_clipped: number;
  readonly interpolation_type: string;
  readonly use_karras_sigmas: boolean;
  readonly use_exponential_sigmas: boolean;
  readonly use_beta_sigmas: boolean;
  readonly use_lu_lambdas: boolean;
  readonly use_flow_sigmas: boolean;
  readonly flow_shift: number;
  readonly shift: number;
  readonly shift_terminal: number | null;
  readonly use_dynamic_shifting: boolean;
  readonly time_shift_type: string;
  readonly base_shift: number | null;
  readonly max_shift: number | null;
  readonly base_image_seq_len: number;
  readonly max_image_seq_len: number;
  readonly invert_sigmas: boolean;
  readonly stochastic_sampling: boolean;
  readonly sigma_min: number | null;
  readonly sigma_max: number | null;
  readonly sigma_data: number;
  readonly sigma_schedule: string;
  readonly rho: number;
  readonly original_inference_steps: number;
}

type Name = keyof SchedulerOptions;

const betas = {
  num_train_timesteps: 1000,
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: 'linear',
  trained_betas: null,
} satisfies Partial<SchedulerOptions>;
const latentBetas = { ...betas, beta_start: 0.00085, beta_end: 0.012 };
const thresholding = { thresholding: false, dynamic_thresholding_ratio: 0.995, sample_max_value: 1 };
const clipping = { clip_sample: true, clip_sample_range: 1 };
/** sigma_min and sigma_max are taken from a file by every scheduler that spaces σ, though few name them. */
const spacings = {
  use_karras_sigmas: false,
  use_exponential_sigmas: false,
  use_beta_sigmas: false,
  sigma_min: null,
  sigma_max: null,
};
const shifting = { use_dynamic_shifting: false, time_shift_type: 'exponential' };
const flowSigmas = { use_flow_sigmas: false, flow_shift: 1, ...shifting };
const epsilon = { prediction_type: 'epsilon' };
const leading = { timestep_spacing: 'leading', steps_offset: 0 };
const even = { timestep_spacing: 'linspace', steps_offset: 0 };
const edm = {
  sigma_min: 0.002,
  sigma_max: 80,
  sigma_data: 0.5,
  sigma_schedule: 'karras',
  num_train_timesteps: 1000,
  rho: 7,
  final_sigmas_type: 'zero',
  ...epsilon,
};
const dpmSolver = {
  solver_order: 2,
  algorithm_type: 'dpmsolver++',
  solver_type: 'midpoint',
  final_sigmas_type: 'zero',
};

/** Each class that is carried, with its own defaults. */
const defaults = {
  DDPMScheduler: {
    ...betas,
    ...epsilon,
    ...clipping,
    ...thresholding,
    ...leading,
    variance_type: 'fixed_small',
    rescale_betas_zero_snr: false,
  },
  DDIMScheduler: {
    ...betas,
    ...epsilon,
    ...clipping,
    ...thresholding,
    ...leading,
    set_alpha_to_one: true,
    rescale_betas_zero_snr: false,
  },
  DDIMInverseScheduler: {
    ...betas,
    ...epsilon,
    ...clipping,
    ...leading,
    set_alpha_to_one: true,
    rescale_betas_zero_snr: false,
  },
  PNDMScheduler: { ...betas, ...epsilon, ...leading, skip_prk_steps: false, set_alpha_to_one: false },
  DPMSolverMultistepScheduler: {
    ...betas,
    ...epsilon,
    ...thresholding,
    ...dpmSolver,
    ...spacings,
    ...flowSigmas,
    ...even,
    lower_order_final: true,
    euler_at_final: false,
    use_lu_lambdas: false,
    lambda_min_clipped: -Infinity,
    variance_type: null,
    rescale_betas_zero_snr: false,
  },
  DPMSolverSinglestepScheduler: {
    ...betas,
    ...epsilon,
    ...thresholding,
    ...dpmSolver,
    ...spacings,
    ...flowSigmas,
    lower_order_final: false,
    lambda_min_clipped: -Infinity,
    variance_type: null,
  },
  UniPCMultistepScheduler: {
    ...betas,
    ...epsilon,
    ...thresholding,
    ...spacings,
    ...flowSigmas,
    ...even,
    solver_order: 2,
    predict_x0: true,
    solver_type: 'bh2',
    lower_order_final: true,
    disable_corrector: [],
    solver_p: null,
    final_sigmas_type: 'zero',
    rescale_betas_zero_snr: false,
    shift_terminal: null,
  },
  DEISMultistepScheduler: {
    ...betas,
    ...epsilon,
    ...thresholding,
    ...spacings,
    ...flowSigmas,
    ...even,
    solver_order: 2,
    algorithm_type: 'deis',
    solver_type: 'logrho',
    lower_order_final: true,
  },
  HeunDiscreteScheduler: { ...latentBetas, ...epsilon, ...clipping, ...spacings, ...even, clip_sample: false },
  EulerDiscreteScheduler: {
    ...betas,
    ...epsilon,
    ...spacings,
    ...even,
    interpolation_type: 'linear',
    timestep_type: 'discrete',
    rescale_betas_zero_snr: false,
    final_sigmas_type: 'zero',
  },
  EulerAncestralDiscreteScheduler: { ...betas, ...epsilon, ...even, rescale_betas_zero_snr: false },
  KDPM2DiscreteScheduler: { ...latentBetas, ...epsilon, ...spacings, ...even },
  KDPM2AncestralDiscreteScheduler: { ...latentBetas, ...epsilon, ...spacings, ...even },
  EDMEulerScheduler: edm,
  EDMDPMSolverMultistepScheduler: {
    ...edm,
    ...thresholding,
    ...dpmSolver,
    lower_order_final: true,
    euler_at_final: false,
  },
  LCMScheduler: {
    ...latentBetas,
    ...epsilon,
    ...clipping,
    ...thresholding,
    ...leading,
    beta_schedule: 'scaled_linear',
    clip_sample: false,
    set_alpha_to_one: true,
    original_inference_steps: 50,
    timestep_scaling: 10,
    rescale_betas_zero_snr: false,
  },
  FlowMatchEulerDiscreteScheduler: {
    num_train_timesteps: 1000,
    shift: 1,
    base_shift: 0.5,
    max_shift: 1.15,
    base_image_seq_len: 256,
    max_image_seq_len: 4096,
    invert_sigmas: false,
    shift_terminal: null,
    stochastic_sampling: false,
    ...shifting,
    ...spacings,
  },
  FlowMatchHeunDiscreteScheduler: { num_train_timesteps: 1000, shift: 1 },
} satisfies Record<string, Partial<SchedulerOptions>>;

/** The name of a class that is carried. */
export type SchedulerClass = keyof typeof defaults;

/**
 * diffusers passes files between its classes, and a class leaves what only another one takes (Stable Diffusion's PNDM
 * file has DDIM's `clip_sample`). So these are left too; other unknown names are refused.
 */
const elsewhere = new Set<string>([
  ...Object.values(defaults).flatMap((options) => Object.keys(options)),
  ...['snr', 'sampling_eps', 'correct_steps', 'eta', 's_noise', 'clip_denoised', 'tau_func', 'predictor_order'],
  ...['corrector_order', 'noise_sampler_seed'],
]);

/** Options of old files that mean what is done anyway. */
const retired: Readonly<Record<string, readonly unknown[]>> = { tensor_format: ['pt', 'np'], predict_epsilon: [true] };

/** The kinds of options whose default does not say it. */
const kinds: Partial<Record<Name, string>> = {
  trained_betas: 'a list of numbers or null',
  disable_corrector: 'a list of numbers',
  variance_type: 'a string or null',
  shift_terminal: 'a number or null',
  base_shift: 'a number or null',
  max_shift: 'a number or null',
  sigma_min: 'a number or null',
  sigma_max: 'a number or null',
  solver_p: 'null',
};

const isNumber = (value: unknown) => typeof value === 'number' && !Number.isNaN(value);
const isOf: Record<string, (value: unknown) => boolean> = {
  'a number': isNumber,
  'a number or null': (value) => value === null || isNumber(value),
  'a string': (value) => typeof value === 'string',
  'a string or null': (value) => value === null || typeof value === 'string',
  'true or false': (value) => typeof value === 'boolean',
  'a list of numbers': (value) => Array.isArray(value) && value.every(isNumber),
  'a list of numbers or null': (value) => value === null || (Array.isArray(value) && value.every(isNumber)),
  null: (value) => value === null,
};
const kindOf = (value: unknown) =>
  ({ number: 'a number', string: 'a string', boolean: 'true or false' })[typeof value as 'number'];

/** A scheduler's class and its options, the defaults put in. */
export interface SchedulerConfig extends SchedulerOptions {
  readonly className: SchedulerClass;
}

/**
 * Reads a `scheduler_config.json`, with its class's defaults for what it does not say.
 * @throws RangeError if its class is not carried, or an option is unknown, or not of its kind
 */
export function readSchedulerConfig(json: Readonly<Record<string, unknown>>): SchedulerConfig {
  const name = json._class_name;
  if (typeof name !== 'string' || !Object.hasOwn(defaults, name))
    throw new RangeError(
      `schedulerFromConfig: _class_name must be one of ${Object.keys(defaults).join(', ')}; got ${shown(name)}`,
    );
  const className = name as SchedulerClass;
  const own: Partial<SchedulerOptions> = defaults[className];
  const options: Record<string, unknown> = { ...own };
  for (const [key, value] of Object.entries(json)) {
    if (Object.hasOwn(own, key)) {
      const kind = kinds[key as Name] ?? kindOf(own[key as Name]);
      if (!isOf[kind](value))
        throw new RangeError(`schedulerFromConfig: ${className}'s ${key} must be ${kind}, got ${shown(value)}`);
      options[key] = value;
    } else if (!key.startsWith('_') && !elsewhere.has(key) && value !== null && !retired[key]?.includes(value))
      throw new RangeError(`schedulerFromConfig: no scheduler takes ${key}, got ${shown(value)}`);
  }
  return { ...options, className } as SchedulerConfig;
}

/** A value of a config as an error shows it. */
export const shown = (value: unknown): string => (value === undefined ? 'none' : JSON.stringify(value));

/** @throws RangeError that names an option and its value, and what is carried */
export function refuse<N extends Name>(config: SchedulerConfig, name: N, carried: string): never {
  throw new RangeError(
    `schedulerFromConfig: ${config.className} with ${name} ${shown(config[name])} is not carried, ${carried}`,
  );
}

/** @throws RangeError unless an option has one of the values that are carried */
export function oneOf<N extends Name>(config: SchedulerConfig, name: N, ...carried: SchedulerConfig[N][]): void {
  if (!carried.includes(config[name])) refuse(config, name, `but ${carried.map(shown).join(', ')}`);
}
