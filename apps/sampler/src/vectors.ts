import { kebab, UsageError } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import { ddimInversion, sample, slerp } from '@ddpm/diffusion';
import type { Denoiser, Guidance } from '@ddpm/models';
import { captionTokens } from '@ddpm/models';
import { Random } from '@ddpm/random';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { Edit } from './edit';
import type { Settings } from './options';
import { readImage } from './pictures';
import type { VectorsOfWords } from './words';

/** How much vectors count where nobody says, if the model was trained to do without. */
const GUIDANCE = 2;
/** How far a picture is changed where nobody says (Ramesh et al. 2022, §3.3: 0.25 to 0.5). */
const TURN = 0.5;
/** Options that a decoder has no use for: pictures reach it by their vectors alone. */
const USELESS = ['mask', 'strength', 'resample', 'class', 'negative'] as const;
/** Options of words alone, and those of a picture that is changed by them. */
const OF_WORDS = ['diffusionPrior', 'priorGuidance'] as const;
const OF_CHANGES = ['insteadOf', 'turn'] as const;

/** Vectors that a decoder makes images of. */
export interface Vectors {
  readonly condition: Batch;
  readonly guidance?: Guidance;
  /** The words that each image is drawn from, if any. */
  readonly captions?: readonly string[];
  /** Where images begin, if not each with noise of its own. */
  readonly edit: Edit;
  readonly record: JsonObject;
}

/** Vectors of length √features, one after the other, and where images of them begin. */
interface Made extends Pick<Vectors, 'captions' | 'record'> {
  readonly data: Float32Array;
  readonly edit?: Edit;
}

/**
 * CLIP's vectors that a decoder is to make images of (Ramesh et al. 2022): those of captions, by a prior; that of one
 * picture for all, which makes variations of it (§3.1); those on the arc between two pictures' (§3.2); or those on the
 * arc from a picture's towards the difference of two captions (§3.3).
 * @throws UsageError in one line if neither words nor pictures are named, or more than it has use for
 */
export async function vectorsFor(
  denoiser: Denoiser,
  count: number,
  settings: Settings,
  captions: readonly string[],
  ofWords?: VectorsOfWords,
): Promise<Vectors> {
  const { from, interpolate, guidance: scale, guidanceRescale: rescale, guidanceInterval: interval } = settings;
  const { features, dropout } = denoiser.clip!;
  const refuse = (names: readonly (keyof Settings)[], why: string) => {
    const given = names.find((name) => settings[name] !== undefined);
    if (given) throw new UsageError(`--${kebab(given)} ${why}`);
  };
  refuse(USELESS, "is not for a model that draws from CLIP's vectors of pictures");
  const pictures = from !== undefined || interpolate;
  if (pictures || captions.length === 0) refuse(OF_WORDS, 'is for words that are drawn without a picture');
  if (from === undefined || captions.length === 0) refuse(OF_CHANGES, 'is for --from with a caption');
  if (dropout === 0 && scale !== undefined && scale !== 1)
    throw new UsageError(
      'this model was not trained to do without vectors (--vector-dropout), and guidance needs that',
    );
  const made = await makeVectors(denoiser, count, settings, captions, ofWords);
  const none: Batch = { imageEmbedding: { data: new Float32Array(features), item: [features] } };
  const told = scale ?? GUIDANCE;
  return {
    ...{ captions: made.captions, condition: { imageEmbedding: { data: made.data, item: [features] } } },
    edit: made.edit ?? (({ levels, make }) => ({ sampler: make(levels) })),
    ...(dropout > 0 && {
      guidance: { scale: told, none, ...(rescale !== undefined && { rescale }), ...(interval && { interval }) },
    }),
    record: { ...made.record, ...(dropout > 0 && { guidance: { scale: told } }) },
  };
}

async function makeVectors(
  denoiser: Denoiser,
  count: number,
  { seed, from, interpolate, insteadOf = '', turn = TURN }: Settings,
  captions: readonly string[],
  ofWords?: VectorsOfWords,
): Promise<Made> {
  if (from !== undefined && interpolate)
    throw new UsageError('--interpolate names its own pictures, and --from goes without it');
  if (interpolate) {
    if (captions.length > 0)
      throw new UsageError(`--interpolate goes from picture to picture; it was asked for '${captions[0]}'`);
    if (count < 2) throw new UsageError(`--interpolate needs a --count of at least 2, its ends; got ${count}`);
    const [a, b] = await Promise.all(interpolate.map((path) => pictureOf(denoiser, path)));
    return { data: arc(a.vector, b.vector, count), edit: sameNoise(seed), record: { interpolate: [...interpolate] } };
  }
  if (from === undefined) {
    if (captions.length === 0 || !ofWords)
      throw new UsageError(
        "this model draws from CLIP's vectors: say what is to be seen, if it has a prior, or name a picture by --from, for variations of it, or two by --interpolate",
      );
    const { data, record } = await ofWords(captions, count);
    const each = Array.from({ length: count }, (_, i) => captions[i % captions.length]);
    return { data, captions: each, record: { captions: [...captions], ...record } };
  }
  if (captions.length > 1)
    throw new UsageError(`a picture is changed towards one caption, and ${captions.length} were given`);
  const { pixels, vector } = await pictureOf(denoiser, from);
  if (captions.length === 0) return { data: arc(vector, vector, count, 0), record: { from } };
  const [caption] = captions;
  if (caption === insteadOf) throw new UsageError(`'${caption}' is no other caption than that of --instead-of`);
  const data = arc(vector, difference(denoiser, caption, insteadOf), count, turn);
  return { data, edit: fromPicture(denoiser, { pixels, vector, seed }), record: { from, caption, insteadOf, turn } };
}

/** A picture as the model has its images, and CLIP's vector of it, of length √features. */
async function pictureOf({ encoder, clip, image }: Denoiser, path: string) {
  const pixels = await readImage(path, image);
  const vector = tf.tidy(() => {
    const unit = encoder!.encodeImage(tf.tensor4d(pixels, [1, ...image]));
    return tf.mul(unit, Math.sqrt(clip!.features)).dataSync<'float32'>();
  });
  return { pixels, vector };
}

/** The difference of the vectors of two captions, of length √features. */
function difference({ encoder, clip }: Denoiser, caption: string, insteadOf: string): Float32Array {
  const { features, captions } = clip!;
  return tf.tidy(() => {
    const { data } = captionTokens(captions, [caption, insteadOf]).tokens;
    const both = encoder!.encodeText(tf.tensor2d(data as Int32Array, [2, captions.length], 'int32'));
    const [to, away] = tf.split(both, 2);
    const apart = tf.sub(to, away);
    return tf.mul(tf.div(apart, tf.norm(apart)), Math.sqrt(features)).dataSync<'float32'>();
  });
}

/** So many vectors along the arc from one to another, or a share of the way; a single one is the last. */
function arc(a: Float32Array, b: Float32Array, count: number, share = 1): Float32Array {
  const data = new Float32Array(count * a.length);
  for (let i = 0; i < count; i++) data.set(slerp(a, b, count === 1 ? share : (share * i) / (count - 1)), i * a.length);
  return data;
}

/** All images from one noise, so that nothing but the vector differs. */
const sameNoise =
  (seed: number): Edit =>
  ({ levels, make }) => ({ sampler: make(levels), stream: () => new Random([seed, 'sample', 0]) });

/** All images from the noise that the picture is led to (Ramesh et al. 2022, §3). */
const fromPicture =
  ({ image }: Denoiser, { pixels, vector, seed }: { pixels: Float32Array; vector: Float32Array; seed: number }): Edit =>
  (chosen) => {
    const { sampler: name, levels, draws } = chosen;
    if (draws)
      throw new UsageError(
        `a picture is led to noise and back, which a sampler that draws more (${name}) does not; take another`,
      );
    return {
      ...sameNoise(seed)(chosen),
      async begin({ noise, told, rng }) {
        const [n] = noise.shape;
        const [x, imageEmbedding] = [
          tf.tidy(() => tf.tile<tf.Tensor4D>(tf.tensor4d(pixels, [1, ...image]), [n, 1, 1, 1])),
          tf.tidy(() => tf.tile(tf.tensor2d(vector, [1, vector.length]), [n, 1])),
        ];
        try {
          return await sample(told({ imageEmbedding }), x, { sampler: ddimInversion(levels), rng });
        } finally {
          tf.dispose([x, imageEmbedding]);
        }
      },
    };
  };
