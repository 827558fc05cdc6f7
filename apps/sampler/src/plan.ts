import { UsageError } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import type { ChosenSampler, Denoiser, DrawOptions, SamplerChoice } from '@ddpm/models';
import { chooseSampler, choosePrior, classNumber, labels } from '@ddpm/models';
import type { Way } from './edit';
import { editFor } from './edit';
import type { Model } from './model';
import type { Settings } from './options';

/** What to draw, and how. */
export interface Plan {
  readonly count: number;
  /** All that `draw` is told but for the network and the way. */
  readonly options: Omit<DrawOptions, 'network' | 'sampler' | 'begin' | 'stream' | 'batch' | 'onStep'>;
  /** A sampler, and where images begin with it. */
  way(choice?: SamplerChoice): { readonly chosen: ChosenSampler; readonly way: Way };
  /** What `samples.json` says of it, but for the sampler. */
  readonly record: JsonObject;
}

/**
 * Plans what settings ask of a model.
 * @throws UsageError in one line where they do not fit each other or the model
 */
export async function planFor({ denoiser }: Pick<Model, 'denoiser'>, settings: Settings): Promise<Plan> {
  const { image, levels, parameterisation } = denoiser;
  const { seed, clip, threshold, from, mask, strength, interpolate } = settings;
  const count = settings.count ?? (settings.compare ? 4 : interpolate ? 8 : 64);
  const label = labelsFor(denoiser, count, settings);
  const guidance = guidanceFor(denoiser, settings);
  if (threshold !== undefined && !clip) throw new UsageError('--threshold and --no-clip contradict each other');
  if (settings.compareSteps && !settings.compare) throw new UsageError('--compare-steps is for --compare');
  if (settings.compare && (settings.sampler !== undefined || settings.steps !== undefined))
    throw new UsageError('--compare names its samplers itself, and --compare-steps their steps');
  const prior = usage(() => choosePrior(denoiser, settings.prior));
  if (
    settings.prior !== undefined &&
    (from !== undefined || (interpolate && !isSeeds(interpolate))) &&
    mask === undefined
  )
    throw new UsageError('--prior is for images that begin as noise, and these begin as pictures');
  const edit = await editFor(settings, image, count);

  const classes = label && Array.from(label.label.data, (number) => denoiser.classNames![number]);
  return {
    count,
    options: {
      ...{ parameterisation, image, count, seed, clip, prior: prior.prior },
      ...(label && { condition: label }),
      ...(guidance && { guidance }),
      ...(threshold !== undefined && { threshold }),
    },
    way({ sampler = settings.sampler, steps = settings.steps } = {}) {
      const { spacing, eta, churn } = settings;
      const chosen = usage(() => chooseSampler({ sampler, steps, spacing, eta, churn }, levels));
      return { chosen, way: usage(() => edit(chosen)) };
    },
    record: {
      ...{ seed, count, prior: prior.name },
      ...(classes && { classes }),
      ...(guidance && { guidance: { ...guidance } }),
      ...(threshold !== undefined ? { threshold } : { clip }),
      ...(from !== undefined && { from }),
      ...(mask !== undefined && { mask }),
      ...(interpolate && { interpolate: [...interpolate] }),
      ...(strength !== undefined && { strength }),
    },
  };
}

const isSeeds = (ends: readonly string[]) => ends.every((end) => /^-?\d+$/.test(end));

/** Does what may refuse its arguments; what they are is what somebody asked for. */
function usage<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** The class of each image, where the network takes one. */
function labelsFor({ network, classNames }: Denoiser, count: number, settings: Settings) {
  const { class: asked, interpolate, guidance } = settings;
  const { conditions = [] } = network;
  const unknown = conditions.find((name) => name !== 'label');
  if (unknown !== undefined)
    throw new Error(`the model takes the condition '${unknown}', which ddpm-sample cannot give; it can give 'label'`);
  if (conditions.length === 0) {
    const given = asked !== undefined ? '--class' : guidance !== undefined ? '--guidance' : undefined;
    if (given) throw new UsageError(`${given} is for a model that takes classes, and this one takes none`);
    return undefined;
  }
  if (!classNames) throw new Error("the model takes the condition 'label', but does not say which classes there are");
  const only = asked === undefined ? undefined : classesAsked(classNames, asked);
  if (interpolate && only?.length !== 1)
    throw new UsageError('--interpolate stays within a class: name one by --class');
  return labels(count, { classes: classNames.length, only });
}

/** Names and numbers between commas; a name may have some of its own. */
function classesAsked(classNames: readonly string[], asked: string): number[] {
  try {
    const whole = classNames.some((name) => name.toLowerCase() === asked.toLowerCase());
    return (whole ? [asked] : asked.split(',')).map((one) => classNumber(classNames, one.trim()));
  } catch (error) {
    throw new UsageError(`--class: ${(error as Error).message}`, { cause: error });
  }
}

/** Classifier-free guidance, where it is asked for. */
function guidanceFor({ classNames = [], labelDropout = 0 }: Denoiser, settings: Settings) {
  const { guidance: scale, guidanceRescale: rescale, guidanceInterval: interval } = settings;
  if (scale === undefined) {
    const without = rescale !== undefined ? 'rescale' : interval ? 'interval' : undefined;
    if (without) throw new UsageError(`--guidance-${without} goes with --guidance`);
    return undefined;
  }
  if (labelDropout === 0 && scale !== 1)
    throw new UsageError(
      'this model was not trained to do without its classes (--label-dropout), and guidance needs that',
    );
  return { scale, none: classNames.length, ...(rescale !== undefined && { rescale }), ...(interval && { interval }) };
}
