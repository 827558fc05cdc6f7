import { kebab, UsageError } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import type { ChosenSampler, Denoiser, DrawOptions, Model, SamplerChoice } from '@ddpm/models';
import { captionConditions, chooseSampler, choosePrior, classNumber, labels } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import type { Way } from './edit';
import { editFor } from './edit';
import { openInpainting } from './inpaint';
import { isLatent, latentPictures, pipelineLatents } from './latents';
import { readImage, readMasked } from './pictures';
import type { LatentModel, Latents } from './latents';
import type { Settings } from './options';
import { vectorsFor } from './vectors';
import type { VectorsOfWords } from './words';

/** A drawing that was asked for: which images, and how. */
export interface Plan {
  readonly count: number;
  /** The words that each image is drawn from, if any. */
  readonly captions?: readonly string[];
  /** How many stand in a row of their grid, where they are a way from one to another. */
  readonly columns?: number;
  /** One line for each thing that was asked for and cannot be done whole. */
  readonly notes: readonly string[];
  /** All that `draw` is told but for the network and the way. */
  readonly options: Omit<DrawOptions, 'network' | 'sampler' | 'begin' | 'stream' | 'batch' | 'onStep'>;
  /** A sampler, and where images begin with it. */
  way(choice?: SamplerChoice): { readonly chosen: ChosenSampler; readonly way: Way };
  /** The entries of `samples.json`, but for the sampler's. */
  readonly record: JsonObject;
}

/** Small pictures that were drawn for a stage. */
export interface LowRes {
  readonly condition: Batch;
  readonly count: number;
  readonly captions?: readonly string[];
  /** Their entries in `samples.json`. */
  readonly record: JsonObject;
}

/**
 * Plans what settings ask of a model.
 * @param low the small pictures that it makes large ones of, where it does
 * @param options.latents what it works on, where it does not work on images
 * @param options.ofWords makes a decoder's vectors of captions
 * @throws UsageError in one line where they do not fit each other or the model
 */
export async function planFor(
  model: Pick<Model, 'denoiser'>,
  settings: Settings,
  captions: readonly string[] = [],
  low?: Pick<LowRes, 'condition' | 'record'>,
  {
    latents = isLatent(model) ? pipelineLatents(model) : undefined,
    ofWords,
  }: { latents?: Latents; ofWords?: VectorsOfWords } = {},
): Promise<Plan> {
  const { denoiser } = model;
  const latent = isLatent(model) ? model : undefined;
  const { image, levels, parameterisation } = denoiser;
  const { seed, threshold, from, mask, strength, interpolate } = settings;
  // Latents go beyond −1 and 1.
  const clip = settings.clip && !latents;
  const count = settings.count ?? usualCount(model, settings, captions);
  if (denoiser.clip) return planVectors(denoiser, count, settings, captions, ofWords);
  const ofDecoders = OF_DECODERS.find((name) => settings[name] !== undefined);
  if (ofDecoders) throw new UsageError(`--${kebab(ofDecoders)} is for a decoder of CLIP's vectors, and this is none`);
  const words = latent?.pipeline.text
    ? await contextFor(latent.pipeline.text, count, captions, settings)
    : await wordsFor(denoiser, count, captions, settings).finally(() => denoiser.textEncoder?.dispose());
  const pictures = latents ? latentPictures(latents) : { readImage, readMasked };
  const inpainting = await openInpainting(denoiser, settings, count, pictures);
  const told = { ...low?.condition, ...inpainting?.condition };
  const label = words ? undefined : labelsFor(denoiser, count, settings, Object.keys(told));
  const all = { ...(words?.condition ?? label), ...told };
  const condition = Object.keys(all).length > 0 ? all : undefined;
  const guidance = words ? words.guidance : guidanceFor(denoiser, settings);
  if (threshold !== undefined && latents)
    throw new UsageError('--threshold is for images, and this model draws latents');
  if (settings.negative !== undefined && !latent?.pipeline.text)
    throw new UsageError("--negative is for diffusers' Stable Diffusion, and this is none");
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
  const edit = inpainting?.edit ?? (await editFor(settings, image, count, pictures));

  const classes = label && Array.from(label.label.data, (number) => denoiser.classNames![number]);
  return {
    count,
    ...(interpolate && { columns: count }),
    ...(words && { captions: words.captions }),
    notes: words?.notes ?? [],
    options: {
      ...{ parameterisation, image, count, seed, prior: prior.prior, clip },
      ...(condition && { condition }),
      ...(guidance && { guidance }),
      ...(threshold !== undefined && { threshold }),
    },
    way({ sampler = settings.sampler, steps = settings.steps } = {}) {
      const { spacing, eta, churn } = settings;
      const chosen = usage(() => chooseSampler({ sampler, steps, spacing, eta, churn }, levels, denoiser.sampling));
      return { chosen, way: usage(() => edit(chosen)) };
    },
    record: {
      ...{ seed, count, prior: prior.name },
      ...(low && { base: low.record }),
      ...(classes && { classes }),
      ...(words && { captions: [...captions] }),
      ...(guidance && { guidance: { ...guidance, ...(words && { none: settings.negative ?? '' }) } as JsonObject }),
      ...(threshold !== undefined ? { threshold } : { clip }),
      ...(from !== undefined && { from }),
      ...(mask !== undefined && { mask }),
      ...(interpolate && { interpolate: [...interpolate] }),
      ...(strength !== undefined && { strength }),
    },
  };
}

/** How many images where nobody says. */
function usualCount(
  model: Pick<Model, 'denoiser'>,
  { compare, from, interpolate }: Settings,
  captions: readonly string[],
): number {
  if (compare) return 4;
  const changed = model.denoiser.clip && from !== undefined && captions.length > 0;
  if (interpolate || changed) return 8;
  if (isLatent(model)) return Math.max(1, captions.length);
  return captions.length > 0 ? 16 : 64;
}

/** Plans what a decoder makes of words or pictures. */
async function planVectors(
  denoiser: Denoiser,
  count: number,
  settings: Settings,
  captions: readonly string[],
  ofWords?: VectorsOfWords,
): Promise<Plan> {
  const { image, levels, parameterisation } = denoiser;
  const { seed, clip, threshold } = settings;
  const prior = usage(() => choosePrior(denoiser, settings.prior));
  const {
    condition,
    guidance,
    edit,
    captions: words,
    record,
  } = await vectorsFor(denoiser, count, settings, captions, ofWords);
  return {
    count,
    ...((settings.interpolate ?? record.caption !== undefined) && { columns: count }),
    ...(words && { captions: words }),
    notes: [],
    options: {
      ...{ parameterisation, image, count, seed, clip, prior: prior.prior, condition },
      ...(guidance && { guidance }),
      ...(threshold !== undefined && { threshold }),
    },
    way({ sampler = settings.sampler, steps = settings.steps } = {}) {
      const { spacing, eta, churn } = settings;
      const chosen = usage(() => chooseSampler({ sampler, steps, spacing, eta, churn }, levels, denoiser.sampling));
      return { chosen, way: usage(() => edit(chosen)) };
    },
    record: {
      ...{ seed, count, prior: prior.name, ...record },
      ...(threshold !== undefined ? { threshold } : { clip }),
    },
  };
}

/** Options of a decoder of CLIP's vectors alone. */
const OF_DECODERS = ['diffusionPrior', 'priorGuidance', 'insteadOf', 'turn'] as const;

const isSeeds = (ends: readonly string[]) => ends.every((end) => /^-?\d+$/.test(end));

/** Does what may refuse its arguments; what they are is what somebody asked for. */
function usage<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** How much captions count where nobody says, if the model was trained to do without. */
const GUIDANCE = 3;

/** How much captions count for a Stable Diffusion where nobody says, as in diffusers. */
const STABLE_GUIDANCE = 7.5;

/** Each image's caption as the network reads it, of what a pipeline has for words. */
async function contextFor(
  { embed, tokenizer }: NonNullable<LatentModel['pipeline']['text']>,
  count: number,
  captions: readonly string[],
  {
    class: asked,
    interpolate,
    negative = '',
    guidanceRescale: rescale,
    guidanceInterval: interval,
    ...settings
  }: Settings,
) {
  if (asked !== undefined) throw new UsageError('--class is for a model that takes classes, and this one takes words');
  if (captions.length === 0)
    throw new UsageError(
      'this model draws from words: say what is to be seen, such as ddpm-sample <model> "a red hat"',
    );
  if (interpolate && captions.length > 1) throw new UsageError('--interpolate stays with one caption');
  const context = await embed([...captions, negative]);
  const [, length, width] = context.shape;
  const values = await context.data<'float32'>();
  context.dispose();
  const item = [length, width];
  const each = length * width;
  const row = (i: number) => values.subarray(i * each, (i + 1) * each);
  const data = new Float32Array(count * each);
  for (let i = 0; i < count; i++) data.set(row(i % captions.length), i * each);
  const scale = settings.guidance ?? STABLE_GUIDANCE;
  const none = { context: { data: row(captions.length), item } };
  return {
    condition: { context: { data, item } },
    captions: Array.from({ length: count }, (_, i) => captions[i % captions.length]),
    notes: [...captions, negative].flatMap((caption) => {
      const lost = tokenizer.cut(caption);
      return lost ? [`a caption is longer than ${tokenizer.length} tokens; this of it is not read: '${lost}'`] : [];
    }),
    ...(scale !== 1 && {
      guidance: { scale, none, ...(rescale !== undefined && { rescale }), ...(interval && { interval }) },
    }),
  };
}

/** The caption of each image, where the network takes some. */
async function wordsFor(
  denoiser: Denoiser,
  count: number,
  captions: readonly string[],
  { class: asked, interpolate, guidance: scale, guidanceRescale: rescale, guidanceInterval: interval }: Settings,
) {
  const known = captionConditions(denoiser);
  if (!known) {
    if (captions.length === 0) return undefined;
    throw new UsageError(`this model draws from no words; it was asked for '${captions[0]}'`);
  }
  if (asked !== undefined) throw new UsageError('--class is for a model that takes classes, and this one takes words');
  if (captions.length === 0)
    throw new UsageError('this model draws from words: say what is to be seen, such as ddpm-sample <model> "red hat"');
  if (interpolate && captions.length > 1) throw new UsageError('--interpolate stays with one caption');
  if (known.dropout === 0 && scale !== undefined && scale !== 1)
    throw new UsageError(
      'this model was not trained to do without captions (--caption-dropout), and guidance needs that',
    );
  const none = await known.condition(['']);
  const guidance = {
    scale: scale ?? GUIDANCE,
    none,
    ...(rescale !== undefined && { rescale }),
    ...(interval && { interval }),
  };
  return {
    condition: await known.condition(captions, count),
    captions: Array.from({ length: count }, (_, i) => captions[i % captions.length]),
    notes: [],
    ...(known.dropout > 0 && { guidance }),
  };
}

/** The class of each image, where the network takes one. */
function labelsFor(
  { network, classNames }: Denoiser,
  count: number,
  settings: Settings,
  /** Conditions that it is given otherwise. */
  given: readonly string[],
) {
  const { class: asked, interpolate, guidance } = settings;
  const conditions = (network.conditions ?? []).filter((name) => !given.includes(name));
  const unknown = conditions.find((name) => name !== 'label');
  if (unknown !== undefined)
    throw new Error(`the model takes the condition '${unknown}', which ddpm-sample cannot give; it can give 'label'`);
  if (conditions.length === 0) {
    const useless = asked !== undefined ? '--class' : guidance !== undefined ? '--guidance' : undefined;
    if (useless) throw new UsageError(`${useless} is for a model that takes classes, and this one takes none`);
    return undefined;
  }
  if (!classNames) throw new Error("the model takes the condition 'label', but does not say which classes there are");
  const only = asked === undefined ? undefined : classesAsked(classNames, asked);
  if (interpolate && only?.length !== 1)
    throw new UsageError('--interpolate stays within a class: name one by --class');
  return labels(count, { classes: classNames.length, only });
}

/** Names and numbers between commas; a name may have some of its own. */
export function classesAsked(classNames: readonly string[], asked: string): number[] {
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
