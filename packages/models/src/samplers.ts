import type { FixedVariance, Level, LevelScale, Sampler } from '@ddpm/diffusion';
import {
  ancestral,
  ddim,
  deis,
  dpmSolver,
  dpmSolverSinglestep,
  euler,
  eulerAncestral,
  heun,
  kdpm2,
  lcm,
  pndm,
  uniPc,
} from '@ddpm/diffusion';
import type { KnownLevels } from './levels';
import { spacings } from './spacings';

/** A sampler that a name stands for. */
export interface NamedSampler {
  /** A description in a few words. */
  readonly does: string;
  /** How its levels are spaced where nobody says; 'uniform-log-snr' where a model's levels are no schedule's. */
  readonly spacing: string;
  /** How many steps it takes where nobody says: all of a schedule's timesteps, or a number. */
  readonly steps: 'all' | number;
  /** How much noise it draws where nobody says, 0 to 1; left out where it has no such choice. */
  readonly eta?: number;
  /** Whether it can add noise before each step. */
  readonly churns?: boolean;
  /** Whether it always draws noise. */
  readonly draws?: boolean;
  /** Of `ancestral`: its variance, whatever the network says, where that does not count; a classifier's guidance needs to know. */
  readonly chain?: { readonly variance?: FixedVariance };
  /** The sampler, of levels from noise to image. */
  make(levels: readonly Level[], options: { scale: LevelScale; eta: number; churn: number }): Sampler;
}

/** Steps of a solver that looks back on evaluations, and of one that does not. */
const [FEW, MORE] = [25, 50];
const byLogSnr = { spacing: 'uniform-log-snr', steps: FEW } as const;
const byTimesteps = { spacing: 'trailing', steps: MORE } as const;

const multistep = (
  does: string,
  make: (levels: readonly Level[], eta: number) => Sampler,
  eta?: number,
): NamedSampler => ({
  ...byLogSnr,
  does,
  ...(eta !== undefined && { eta }),
  make: (levels, options) => make(levels, options.eta),
});

const ancestralBy = (does: string, variance?: FixedVariance): NamedSampler => ({
  ...{ spacing: 'trailing', steps: 'all', draws: true, does, chain: { ...(variance && { variance }) } },
  make: (levels) => ancestral(levels, { variance }),
});

/** The samplers by their names on a command line. */
export const samplers: Readonly<Record<string, NamedSampler>> = {
  ancestral: ancestralBy('the whole chain of Ho et al. 2020, with the variance that was learned, or else β̃'),
  'ancestral-lower': ancestralBy('the same with the variance β̃, whatever was learned', 'lower'),
  'ancestral-upper': ancestralBy('the same with the variance β', 'upper'),
  ddim: { ...byTimesteps, does: 'DDIM', eta: 0, make: (levels, { eta }) => ddim(levels, { eta }) },
  'dpm++1': multistep('DPM-Solver++ of order 1', (levels, eta) => dpmSolver(levels, { order: 1, eta }), 0),
  'dpm++2m': multistep('DPM-Solver++(2M)', (levels, eta) => dpmSolver(levels, { eta }), 0),
  'dpm++3m': multistep('DPM-Solver++(3M)', (levels, eta) => dpmSolver(levels, { order: 3, eta }), 0),
  'dpm++2m-sde': multistep('SDE-DPM-Solver++(2M)', (levels, eta) => dpmSolver(levels, { eta }), 1),
  'dpm++2s': multistep('DPM-Solver++(2S)', (levels) => dpmSolverSinglestep(levels)),
  unipc2: multistep('UniPC of order 2', (levels) => uniPc(levels)),
  unipc3: multistep('UniPC of order 3', (levels) => uniPc(levels, { order: 3 })),
  deis2: multistep('DEIS of order 2', (levels) => deis(levels)),
  deis3: multistep('DEIS of order 3', (levels) => deis(levels, { order: 3 })),
  pndm: { ...byTimesteps, does: 'PNDM (PLMS)', make: (levels) => pndm(levels) },
  euler: {
    ...{ ...byTimesteps, does: "Euler's method of EDM", churns: true },
    make: (levels, { churn, scale }) => euler(levels, { churn: { amount: churn, scale } }),
  },
  heun: {
    ...{ ...byLogSnr, does: "Heun's method of EDM, which asks twice in a step", churns: true },
    make: (levels, { churn, scale }) => heun(levels, { churn: { amount: churn, scale } }),
  },
  'euler-ancestral': {
    ...{ ...byTimesteps, does: "k-diffusion's Euler ancestral", eta: 1 },
    make: (levels, { eta }) => eulerAncestral(levels, { eta }),
  },
  kdpm2: {
    ...{ ...byLogSnr, does: "k-diffusion's DPM2, which asks twice in a step", eta: 0 },
    make: (levels, { eta, scale }) => kdpm2(levels, scale, { eta }),
  },
  lcm: {
    ...{ spacing: 'trailing', steps: 4, draws: true, does: 'of a consistency model' },
    // What the network says is the image, at every level: nothing of x is mixed in near the image.
    make: (levels) => lcm(levels, { sigmaData: 0 }),
  },
};

/** Which sampler, and how it goes; what is left out is the sampler's own. */
export interface SamplerChoice {
  /** A name in `samplers`; 'dpm++2m' by default. */
  sampler?: string;
  /** How many steps. */
  steps?: number;
  /** A name in `spacings`. */
  spacing?: string;
  /** How much noise to draw: 0 none, 1 as much as the ancestral sampler. */
  eta?: number;
  /** How much noise to add before each step: EDM's S_churn. */
  churn?: number;
}

/** A choice that fits a model, complete. */
export interface ChosenSampler {
  readonly sampler: string;
  readonly steps: number;
  readonly spacing: string;
  readonly eta?: number;
  readonly churn?: number;
  /** Whether it draws noise, so that an image is not a function of x_T alone. */
  readonly draws: boolean;
  /** Of `ancestral`, as its name has it. */
  readonly chain?: NamedSampler['chain'];
  /** The levels, from noise to image. */
  readonly levels: readonly Level[];
  /** The sampler of these levels, or of some that run to the image. */
  readonly make: (levels: readonly Level[]) => Sampler;
}

/**
 * A sampler by its name, with what is not said filled in.
 * @param preferred what a model was tuned for, which is taken where nothing is said: its `sampling`
 * @throws RangeError if there is no such sampler or spacing, or it does not fit what was chosen or the model's levels
 */
export function chooseSampler(
  { sampler: asked, steps: askedSteps, spacing: askedSpacing, eta, churn }: SamplerChoice,
  known: KnownLevels,
  preferred: SamplerChoice = {},
): ChosenSampler {
  const name = asked ?? preferred.sampler ?? 'dpm++2m';
  const own = name === preferred.sampler ? preferred : {};
  const [steps, spacing] = [askedSteps ?? own.steps, askedSpacing ?? own.spacing];
  const named = lookUp('sampler', samplers, name);
  if (eta !== undefined && named.eta === undefined)
    throw new RangeError(`sampler ${name} has no η; ${listOf(samplers, (other) => other.eta !== undefined)} have`);
  if (churn !== undefined && !named.churns)
    throw new RangeError(`sampler ${name} does not churn; ${listOf(samplers, (other) => other.churns === true)} do`);
  const spacingName = spacing ?? defaultSpacing(named, known);
  const space = lookUp('spacing', spacings, spacingName);
  const { schedule, scale } = known;
  if (steps === undefined && named.steps === 'all' && !schedule)
    throw new RangeError(
      `sampler ${name} takes all of a schedule's timesteps, and this model's levels have none; say how many steps`,
    );
  // A schedule may have fewer timesteps than the steps that nobody asked for.
  const most = schedule?.timesteps ?? Infinity;
  const count = steps ?? (named.steps === 'all' ? most : Math.min(named.steps, most));
  const levels = space(known, count);
  return {
    ...{ sampler: name, steps: count, spacing: spacingName, levels },
    draws: named.draws === true || (eta ?? named.eta ?? 0) > 0 || (churn ?? 0) > 0,
    ...(named.eta !== undefined && { eta: eta ?? named.eta }),
    ...(named.churns && { churn: churn ?? 0 }),
    ...(named.chain && { chain: named.chain }),
    make: (some) => named.make(some, { scale, eta: eta ?? named.eta ?? 0, churn: churn ?? 0 }),
  };
}

/** A sampler of all its levels, as `chooseSampler` chooses it. */
export function samplerFor(choice: SamplerChoice, known: KnownLevels, preferred?: SamplerChoice): Sampler {
  const { levels, make } = chooseSampler(choice, known, preferred);
  return make(levels);
}

/**
 * Timesteps are a schedule's alone. A schedule that ends without signal has σ up to hundreds: by it, many steps would go
 * where there is nothing to see.
 */
function defaultSpacing({ spacing }: NamedSampler, { scale, schedule }: KnownLevels): string {
  if (!schedule) return 'uniform-log-snr';
  return scale.noise ? 'trailing' : spacing;
}

const listOf = (table: typeof samplers, which: (named: NamedSampler) => boolean) =>
  Object.keys(table)
    .filter((name) => which(table[name]))
    .join(', ');

function lookUp<T>(what: string, table: Readonly<Record<string, T>>, name: string): T {
  if (!Object.hasOwn(table, name))
    throw new RangeError(`${what} must be one of ${Object.keys(table).join(', ')}; got '${name}'`);
  return table[name];
}
