import { UsageError } from '@ddpm/app-common';
import type { Level, Sampler } from '@ddpm/diffusion';
import {
  between,
  ddimInversion,
  fromStrength,
  qSample,
  repaint,
  sample,
  slerp,
  stack,
  withKnown,
} from '@ddpm/diffusion';
import type { ChosenSampler, DrawOptions } from '@ddpm/models';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs';
import type { Settings } from './options';
import type { Pictures } from './pictures';

type Shape = readonly [h: number, w: number, c: number];

/** Where images begin, and by which sampler they go on. */
export interface Way extends Pick<DrawOptions, 'stream' | 'begin' | 'lead'> {
  readonly sampler: Sampler;
}

/** An edit of pictures, or between two: the way of each image, of a chosen sampler. */
export type Edit = (chosen: ChosenSampler) => Way;

/** How strongly `--from` changes a picture where nobody says. */
const STRENGTH = 0.6;
/** RePaint goes back 10 of 250 levels. */
const JUMPS = 25;

/** The edit that is asked for; noise to images if none is. */
export async function editFor(settings: Settings, image: Shape, count: number, pictures: Pictures): Promise<Edit> {
  const { from, mask, interpolate, strength, resample } = settings;
  if (mask !== undefined && from === undefined) throw new UsageError('--mask is of a picture: name it by --from');
  if (resample !== undefined && mask === undefined) throw new UsageError('--resample is for --mask');
  if (from !== undefined && interpolate)
    throw new UsageError('--interpolate names its own pictures, and --from goes without it');
  if (interpolate) return interpolation(interpolate, settings, image, count, pictures);
  if (from === undefined) {
    if (strength !== undefined) throw new UsageError('--strength is for --from and --interpolate');
    return ({ levels, make }) => ({ sampler: make(levels) });
  }
  if (mask === undefined) return variations(await pictures.readImage(from, image), strength ?? STRENGTH, image);
  return inpainting(await pictures.readMasked(from, mask, image), { strength, times: resample }, image);
}

/** x of a picture at a level, [n, h, w, c]. */
export const noised = (picture: Float32Array, shape: Shape, level: Level, noise: tf.Tensor4D) =>
  tf.tidy(() => qSample(stack([level]), tf.tensor4d(picture, [1, ...shape]), noise));

/** The picture with so much noise, and back (Meng et al. 2022, SDEdit). */
const variations =
  (picture: Float32Array, strength: number, shape: Shape): Edit =>
  ({ levels, make }) => {
    const sampler = make(fromStrength(levels, strength));
    return { sampler, begin: ({ noise }) => noised(picture, shape, sampler.levels[0], noise) };
  };

/** Draws what is white in the mask to fit what is black (Lugmayr et al. 2022, RePaint). */
const inpainting =
  (
    given: { image: Float32Array; mask: Float32Array },
    { strength = 1, times }: { strength?: number; times?: number },
    shape: Shape,
  ): Edit =>
  ({ levels, make }) => {
    const [h, w] = shape;
    const known = { image: tf.tensor4d(given.image, [1, ...shape]), mask: tf.tensor4d(given.mask, [1, h, w, 1]) };
    const way = fromStrength(levels, strength);
    const jump = Math.max(1, Math.round((way.length - 1) / JUMPS));
    const sampler = repaint(way, make, { ...known, jump, times });
    const [first] = sampler.levels;
    return {
      sampler,
      begin: ({ noise, xT, rng }) =>
        tf.tidy(() => withKnown(strength < 1 ? noised(given.image, shape, first, noise) : xT, first, known, rng)),
    };
  };

/** From one to another, both included. */
async function interpolation(
  ends: readonly [string, string],
  { seed, strength }: Settings,
  shape: Shape,
  count: number,
  { readImage }: Pictures,
): Promise<Edit> {
  if (count < 2) throw new UsageError(`--interpolate needs a --count of at least 2, its ends; got ${count}`);
  const share = (number: number) => number / (count - 1);
  const seeds = ends.map((end) => (/^-?\d+$/.test(end) ? Number(end) : undefined));
  const [a, b] = seeds;
  if (a !== undefined && b !== undefined) {
    if (strength !== undefined) throw new UsageError('--strength is for pictures, and --interpolate names two seeds');
    const of = (end: number) => new Random([end, 'sample', 0]);
    return ({ levels, make }) => ({
      sampler: make(levels),
      stream: (number) => between(of(a), of(b), share(number)),
    });
  }
  if (seeds.some((end) => end !== undefined))
    throw new UsageError(`--interpolate goes from seed to seed or from picture to picture, got ${ends.join(' and ')}`);
  const pair = [await readImage(ends[0], shape), await readImage(ends[1], shape)] as const;
  return strength === undefined ? throughNoise(pair, share, shape) : mixed(pair, { share, strength, seed }, shape);
}

/** Both pictures at a level, among the same noise, mixed there and drawn from (Ho et al. 2020, §4.4). */
const mixed =
  (
    [a, b]: readonly [Float32Array, Float32Array],
    { share, strength, seed }: { share: (number: number) => number; strength: number; seed: number },
    shape: Shape,
  ): Edit =>
  ({ levels, make }) => {
    const sampler = make(fromStrength(levels, strength));
    return {
      sampler,
      stream: () => new Random([seed, 'sample', 0]),
      begin: ({ first, noise }) =>
        tf.tidy(() => {
          const shares = tf.tensor4d(
            Array.from({ length: noise.shape[0] }, (_, i) => share(first + i)),
            [noise.shape[0], 1, 1, 1],
          );
          const [from, to] = [a, b].map((picture) => tf.tensor4d(picture, [1, ...shape]));
          const mix = tf.add<tf.Tensor4D>(tf.mul(tf.sub(1, shares), from), tf.mul(shares, to));
          return qSample(stack([sampler.levels[0]]), mix, noise);
        }),
    };
  };

/** Both pictures led to the noise that they are made of, and drawn from the arc between (Song et al. 2020, §5.3). */
const throughNoise =
  (pictures: readonly [Float32Array, Float32Array], share: (number: number) => number, shape: Shape): Edit =>
  ({ sampler: name, levels, make, draws }) => {
    if (draws)
      throw new UsageError(
        `--interpolate leads pictures to noise and back, which a sampler that draws more (${name}) does not; take another, or mix them by --strength`,
      );
    return {
      sampler: make(levels),
      async begin({ first, noise, denoise, rng }) {
        const [n] = noise.shape;
        const inverted: Float32Array[] = [];
        for (const picture of pictures) {
          const images = tf.tidy(() => tf.tile<tf.Tensor4D>(tf.tensor4d(picture, [1, ...shape]), [n, 1, 1, 1]));
          const xT = await sample(denoise, images, { sampler: ddimInversion(levels), rng });
          inverted.push(await xT.data<'float32'>());
          tf.dispose([images, xT]);
        }
        const size = inverted[0].length / n;
        const between = new Float32Array(inverted[0].length);
        for (let i = 0; i < n; i++) {
          const [a, b] = inverted.map((all) => all.subarray(i * size, (i + 1) * size));
          between.set(slerp(a, b, share(first + i)), i * size);
        }
        return tf.tensor4d(between, noise.shape);
      },
    };
  };
