import type { JsonObject } from '@ddpm/checkpoint/format';
import type { Parameterisation } from '@ddpm/diffusion';
import { checkLevel, edm, epsilon, flow, image, learnedRange, learnedVariance, velocity } from '@ddpm/diffusion';
import { scheduleFromBetas } from '@ddpm/schedules';
import { z } from 'zod';
import type { LatentsMeaning } from './latents';
import type { KnownLevels } from './levels';
import { edmLevels, flowLevels, scheduleLevels } from './levels';

/**
 * The parameterisations by the names that checkpoints and command lines give them, each made from the standard
 * deviation of the data; only `edm` depends on it.
 */
export const parameterisations: Readonly<Record<string, (options?: { sigmaData?: number }) => Parameterisation>> = {
  epsilon: () => epsilon,
  image: () => image,
  velocity: () => velocity,
  flow: () => flow,
  edm,
};

/** The ways of a network to say its variance, by the names that checkpoints give them: around any parameterisation. */
export const learnedVariances: Readonly<
  Record<NonNullable<Parameterisation['variance']>, (parameterisation: Parameterisation) => Parameterisation>
> = { range: learnedRange, log: learnedVariance };

const size = z.int().positive();
const above0 = z.number().positive();
const range = <K extends 'edm' | 'flow'>(kind: K) =>
  z
    .strictObject({ kind: z.literal(kind), min: above0, max: above0 })
    .refine(({ min, max }) => min <= max, 'min may not be above max');
/** Levels as a checkpoint holds them: of a schedule by its β's, of others by the least and the greatest sigma/signal. */
export const levelsSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('schedule'), betas: z.array(z.number()).min(1) }),
  range('edm'),
  range('flow'),
]);
const schema = z.strictObject({
  task: z.literal('denoising', { error: 'only denoising is known' }),
  image: z.tuple([size, size, size]),
  parameterisation: z.enum(Object.keys(parameterisations)),
  sigmaData: above0.optional(),
  learnedVariance: z.enum(['range', 'log']).optional(),
  levels: levelsSchema,
  classNames: z.array(z.string()).optional(),
  labelDropout: z.number().min(0).max(1).optional(),
  captions: z
    .strictObject({ length: size, tokenizer: z.record(z.string(), z.json()), dropout: z.number().min(0).max(1) })
    .optional(),
  text: z
    .strictObject({
      ...{ folder: z.string().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) },
      ...{ length: size, features: size, dropout: z.number().min(0).max(1) },
    })
    .optional(),
  latents: z
    .strictObject({ image: z.tuple([size, size, size]), scalingFactor: above0, shiftFactor: z.number() })
    .optional(),
  lora: z.strictObject({ alpha: above0 }).optional(),
  sampling: z.strictObject({ sampler: z.string(), steps: size, spacing: z.string() }).optional(),
  clip: z
    .strictObject({
      features: size,
      dropout: z.number().min(0).max(1),
      image: z.tuple([size, size, size]),
      captions: z.strictObject({ length: size, tokenizer: z.record(z.string(), z.json()) }),
    })
    .optional(),
  lowRes: z.strictObject({ size: z.tuple([size, size]), maxAugmentation: z.number().min(0).lt(1) }).optional(),
  inpainting: z.literal(true).optional(),
});
type Json = z.infer<typeof schema>;

/** A denoiser's images, parameterisation, levels and classes. */
export interface DenoiserMeaning {
  /** The shape of its images. */
  readonly image: readonly [h: number, w: number, c: number];
  /** The meaning of its output. */
  readonly parameterisation: Parameterisation;
  /** The levels that it knows. */
  readonly levels: KnownLevels;
  /** Names of the classes that its condition `label` counts, if it takes one. */
  readonly classNames?: readonly string[];
  /** How often training left the class out, where it did, so that the network can do without: guidance needs that. */
  readonly labelDropout?: number;
  /** How captions become its condition `tokens`, if it takes one. */
  readonly captions?: CaptionMeaning;
  /** Which encoder says of captions what its conditions `text` and `present` are, if it takes them. */
  readonly text?: TextMeaning;
  /** Which vectors its condition `imageEmbedding` takes, if it is a decoder of CLIP's. */
  readonly clip?: VectorMeaning;
  /** Of what small pictures it makes its images, if it is a stage of a cascade. */
  readonly lowRes?: LowResMeaning;
  /** Whether it has learned to draw what is missing of a picture; its conditions are those of `knownCondition` then. */
  readonly inpainting?: true;
  /** How it draws where nobody says, if it was tuned for few steps; as `chooseSampler` takes it. */
  readonly sampling?: FewSteps;
  /** Of what its images are the latents, if they are. */
  readonly latents?: LatentsMeaning;
  /** α of the low-rank updates that a checkpoint holds apart from the network's own weights, if it does. */
  readonly lora?: { readonly alpha: number };
}

/** The text encoder that a denoiser was trained with, which is not part of it. */
export interface TextMeaning {
  /** Where its files lie, as somebody named it. */
  readonly folder: string;
  /** The SHA-256 of its weights and its tokenizer. */
  readonly sha256: string;
  /** Tokens of each caption, padding included. */
  readonly length: number;
  /** Features of each. */
  readonly features: number;
  /** How often training left the caption out; above 0, the network can do without, which guidance needs. */
  readonly dropout: number;
}

/** The vectors of a CLIP that a decoder takes, and what that CLIP compares. */
export interface VectorMeaning {
  /** Features of a vector. */
  readonly features: number;
  /** How often training left it out, being zeros; above 0, the network can do without, which guidance needs. */
  readonly dropout: number;
  /** The shape of the images that CLIP takes. */
  readonly image: readonly [h: number, w: number, c: number];
  /** How captions become its tokens. */
  readonly captions: Pick<CaptionMeaning, 'length' | 'tokenizer'>;
}

/** The small pictures that a super-resolution network takes. */
export interface LowResMeaning {
  /** Their height and width. */
  readonly size: readonly [h: number, w: number];
  /** The noisiest that training made them: the level s of `augmented`. */
  readonly maxAugmentation: number;
}

/** A sampler with few steps, by the names of `samplers` and `spacings`. */
export interface FewSteps {
  readonly sampler: string;
  readonly steps: number;
  readonly spacing: string;
}

/** How captions become tokens. */
export interface CaptionMeaning {
  /** Tokens of each caption, padding included. */
  readonly length: number;
  /** The content of a `tokenizer.json`, as `tokenizerFromJson` of `@ddpm/text` takes it. */
  readonly tokenizer: JsonObject;
  /** How often training left the caption out; above 0, the network can do without, which guidance needs. */
  readonly dropout: number;
}

/**
 * @throws RangeError in one line if a parameterisation does not go with levels: it says nothing of the image at the
 * noisiest, or leaves x at EDM's scale, which no network is made for
 */
export function checkMeaning({ parameterisation, levels }: Pick<DenoiserMeaning, 'parameterisation' | 'levels'>): void {
  if (levels.kind === 'edm' && !parameterisation.input)
    throw new RangeError(
      `'${parameterisation.name}' leaves x as it is, and EDM's levels go up to ${levels.scale.max} times the image; 'edm' scales it`,
    );
  checkLevel('the noisiest level', parameterisation, levels.noisiest);
}

/** A denoiser's meaning as a checkpoint holds it; σ of `min` and `max` is sigma/signal. */
export function meaningToJson({
  image: shape,
  parameterisation,
  levels,
  classNames,
  labelDropout,
  captions,
  sampling,
  lora,
  clip,
  latents,
  lowRes,
  inpainting,
  text,
}: DenoiserMeaning): JsonObject {
  const { sigmaData, variance } = parameterisation;
  return {
    task: 'denoising',
    image: [...shape],
    parameterisation: parameterisation.name,
    ...(sigmaData !== undefined && { sigmaData }),
    ...(variance !== undefined && { learnedVariance: variance }),
    levels: levelsToJson(levels),
    ...(classNames && { classNames: [...classNames] }),
    ...(labelDropout !== undefined && { labelDropout }),
    ...(captions && { captions: { ...captions } }),
    ...(sampling && { sampling: { ...sampling } }),
    ...(lora && { lora: { ...lora } }),
    ...(clip && { clip: { ...clip, image: [...clip.image], captions: { ...clip.captions } } }),
    ...(latents && { latents: { ...latents, image: [...latents.image] } }),
    ...(lowRes && { lowRes: { size: [...lowRes.size], maxAugmentation: lowRes.maxAugmentation } }),
    ...(inpainting && { inpainting }),
    ...(text && { text: { ...text } }),
  } satisfies Json;
}

/**
 * A denoiser's meaning, read from what a checkpoint holds.
 * @throws Error in one line that says what is not as expected
 */
export function meaningFromJson(json: JsonObject): DenoiserMeaning {
  const result = schema.safeParse(json);
  if (!result.success) {
    const [{ path, message }] = result.error.issues;
    // The message quotes the file.
    throw unexpected(path, message);
  }
  const { image: shape, parameterisation, sigmaData, learnedVariance: variance, ...data } = result.data;
  const { levels, classNames, labelDropout, captions, clip, lowRes, sampling, lora, latents, inpainting, text } = data;
  if ((parameterisation === 'edm') !== (sigmaData !== undefined))
    throw unexpected(['sigmaData'], "it goes with the parameterisation 'edm', and only with that");
  const fixed = parameterisations[parameterisation]({ sigmaData });
  const meaning = {
    image: shape,
    parameterisation: variance ? learnedVariances[variance](fixed) : fixed,
    levels: levelsFromJson(levels),
    ...(classNames && { classNames }),
    ...(labelDropout !== undefined && { labelDropout }),
    ...(captions && { captions: captions as CaptionMeaning }),
    ...(sampling && { sampling }),
    ...(lora && { lora }),
    ...(clip && { clip: clip as VectorMeaning }),
    ...(latents && { latents }),
    ...(lowRes && { lowRes }),
    ...(inpainting && { inpainting }),
    ...(text && { text }),
  };
  checkMeaning(meaning);
  return meaning;
}

const unexpected = (path: readonly PropertyKey[], message: string) =>
  new Error(`its ${['meaning', ...path].join('.')} is not as expected: ${message.replace(/\s+/g, ' ').slice(0, 300)}`);

/** Levels as a checkpoint holds them. */
export function levelsToJson(levels: KnownLevels): Json['levels'] {
  if (levels.kind === 'schedule') return { kind: levels.kind, betas: [...levels.schedule.betas] };
  const { min, max } = levels.scale;
  return { kind: levels.kind, min, max };
}

/** Levels, read from what a checkpoint holds. */
export const levelsFromJson = (levels: Json['levels']): KnownLevels =>
  levels.kind === 'schedule'
    ? scheduleLevels(scheduleFromBetas(Float64Array.from(levels.betas)))
    : { edm: edmLevels, flow: flowLevels }[levels.kind](levels);
