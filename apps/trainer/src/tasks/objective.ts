import { schedules } from '@ddpm/app-common';
import type { Level, LevelSource, Parameterisation, Weighting } from '@ddpm/diffusion';
import {
  edmWeighting,
  importance,
  learnedRange,
  levelAt,
  logitNormal,
  logNormal,
  minSnr,
  p2,
  softMinSnr,
  stratified,
  uniform,
  uniformFlow,
} from '@ddpm/diffusion';
import type { KnownLevels } from '@ddpm/models';
import { checkMeaning, edmLevels, flowLevels, parameterisations, scheduleLevels } from '@ddpm/models';
import type { NoiseSchedule } from '@ddpm/schedules';

/** Where the levels that training meets come from. */
interface NamedSource {
  readonly does: string;
  /** The levels that it is of, and how it draws them. */
  make(schedule: () => NoiseSchedule): { readonly levels: KnownLevels; readonly source: LevelSource };
  /** Whether it needs a schedule. */
  readonly scheduled: boolean;
}

const ofSchedule = (does: string, source: (schedule: NoiseSchedule) => LevelSource): NamedSource => ({
  ...{ does, scheduled: true },
  make(schedule) {
    const made = schedule();
    return { levels: scheduleLevels(made), source: source(made) };
  },
});

/** The level sources by the names that the command line gives them; each says whose levels the network learns. */
export const levelSources: Readonly<Record<string, NamedSource>> = {
  uniform: ofSchedule('every timestep of the schedule as often', uniform),
  stratified: ofSchedule('spread over the schedule in each batch', stratified),
  importance: ofSchedule('where the loss is large', importance),
  'log-normal': {
    ...{ does: "EDM's σ", scheduled: false },
    make: () => ({ levels: edmLevels(), source: logNormal() }),
  },
  'uniform-flow': {
    ...{ does: "a flow's t", scheduled: false },
    make: () => ({ levels: flowLevels(), source: uniformFlow() }),
  },
  'logit-normal': {
    ...{ does: "a flow's t, most in the middle", scheduled: false },
    make: () => ({ levels: flowLevels(), source: logitNormal() }),
  },
};

/** A weighting that a name stands for. */
interface NamedWeighting {
  make(parameterisation: Parameterisation, options: { gamma?: number; sigmaData?: number }): Weighting;
  /** γ, where it has one and nobody says. */
  readonly gamma?: number;
}

/** The weightings by the names that the command line gives them; none is none. */
export const weightings: Readonly<Record<string, NamedWeighting | undefined>> = {
  none: undefined,
  'min-snr': { make: minSnr, gamma: 5 },
  'soft-min-snr': { make: softMinSnr, gamma: 5 },
  p2: { make: p2, gamma: 1 },
  edm: { make: edmWeighting },
};

/** Settings that say what a denoiser learns, at which levels, and what counts. */
export interface ObjectiveSettings {
  readonly parameterisation: string;
  readonly levelSource: string;
  readonly schedule?: string;
  readonly timesteps?: number;
  readonly weighting: string;
  readonly gamma?: number;
  readonly learnSigma?: boolean;
}

/** An objective, made of settings. */
export interface Objective {
  readonly parameterisation: Parameterisation;
  readonly levels: KnownLevels;
  readonly source: LevelSource;
  /** The source of validation, which does not change as training goes on. */
  readonly steady: LevelSource;
  readonly weighting?: Weighting;
}

/**
 * @param sigmaData the standard deviation of the data, where the settings need it
 * @param known the schedule, where the settings do not name it
 * @throws RangeError in one line if the parameterisation does not go with the levels
 */
export function objectiveOf(
  settings: ObjectiveSettings,
  sigmaData: number | undefined,
  known?: NoiseSchedule,
): Objective {
  const ofImage = parameterisations[settings.parameterisation]({ sigmaData });
  const parameterisation = settings.learnSigma ? learnedRange(ofImage) : ofImage;
  const { levels, source } = levelSources[settings.levelSource].make(
    () => known ?? schedules[settings.schedule!]({ timesteps: settings.timesteps! }),
  );
  checkMeaning({ parameterisation, levels });
  const { gamma, weighting } = settings;
  return {
    ...{ parameterisation, levels, source },
    steady: source.observe && levels.schedule ? uniform(levels.schedule) : source,
    weighting: weightings[weighting]?.make(parameterisation, { ...(gamma !== undefined && { gamma }), sigmaData }),
  };
}

/** A few levels, from the least noisy to the noisiest. */
export function someLevels({ scale, schedule, noisiest }: KnownLevels): readonly Level[] {
  if (!schedule) return [scale.at(scale.min), scale.at(1), noisiest];
  const last = schedule.timesteps - 1;
  return [0, Math.ceil(last / 2), last].map((t) => levelAt(schedule, t));
}

/** How far a level lies from the least noisy to the noisiest, 0 to 1, by its time: t/T, or of EDM by log σ. */
export function wayTo({ kind, scale: { min, max }, schedule }: KnownLevels, time: number): number {
  if (kind === 'schedule') return time / schedule.timesteps;
  return kind === 'flow' ? time / 1000 : Math.log(time / min) / Math.log(max / min);
}
