import type { NormalSource } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise } from '../denoise/denoise';
import type { Level } from '../levels/level';
import { qSample, signalToNoise, stack } from '../levels/level';
import type { Prediction } from '../parameterisations/parameterisation';
import type { FixedVariance } from '../sampling/step-variance';
import { boundSteps, boundTerm, constant } from './bound-term';
import { priorBits } from './prior-bits';

/** Of which chain the bound is, and what draws the noise; `levels` and `rng` are needed. */
export interface BitsPerDimOptions {
  /** From noise to image: `trailing(schedule)` for the whole bound, or fewer, as in sampling with those. */
  levels: readonly Level[];
  /** Draws the noise that the images are given at each level. */
  rng: NormalSource;
  /** The variance of a network that has not learned it; `'lower'` by default. */
  variance?: FixedVariance;
  /** Called after each level, with its number and how many there are, and awaited. */
  onLevel?: (index: number, steps: number) => void | Promise<void>;
}

/** A bound in bits per dimension; sums and means are of float64. */
export interface BitsPerDim {
  /** The whole bound of each image: `prior` and all of `vlb`. */
  readonly total: Float64Array;
  /** L_T of each image: how far x_T is from N(0, I). */
  readonly prior: Float64Array;
  /** L_t of each image at each step, in the order of the levels: that of the decoder is the last. */
  readonly vlb: readonly Float64Array[];
  /** The mean squared error of x̂_0 of each image, at each step. */
  readonly xStartMse: readonly Float64Array[];
  /** The mean squared error of ε̂ of each image, at each step. */
  readonly noiseMse: readonly Float64Array[];
}

/**
 * The variational bound on −log₂ p(x_0) of each image, per element (Ho et al. 2020, eq. 5; Nichol & Dhariwal 2021,
 * `calc_bpd_loop`): one draw of noise at every level.
 * @param denoise theirs is `clipped`
 * @param images [n, h, w, c], of bytes: k/127.5 − 1; the caller keeps them
 * @throws RangeError if they are not of bytes, or the levels do not go from noise with a deviation of at most 1 to the
 * image
 */
export async function bitsPerDim(
  denoise: Denoise,
  images: tf.Tensor4D,
  { levels, rng, variance = 'lower', onLevel }: BitsPerDimOptions,
): Promise<BitsPerDim> {
  const steps = boundSteps('bitsPerDim', levels);
  const [n] = images.shape;
  const values = await images.data<'float32'>();
  const wrong = values.find((value) => !(Math.abs(value) <= 1) || !isByte(value));
  if (wrong !== undefined)
    throw new RangeError(`bitsPerDim: images must be of bytes, k/127.5 − 1 for k = 0 … 255, got ${wrong}`);
  if (levels[0].sigma > 1 + 1e-6)
    throw new RangeError(
      `bitsPerDim: the first level must be near N(0, I), as a schedule's last is; its sigma is ${levels[0].sigma}`,
    );
  const prior = meansOf(Float64Array.from(values, priorBits(levels[0])), n);
  const rows: { term: Float64Array; ofStart: Float64Array }[] = [];
  for (const [index, step] of steps.entries()) {
    const level = levels[index];
    const noise = tf.tensor4d(rng.normals(images.size), images.shape);
    const x = tf.tidy(() => qSample(stack([level]), images, noise));
    let prediction: Prediction | undefined;
    try {
      prediction = await denoise(x, level);
      const { x0, variance: learned } = prediction;
      const each = tf.tidy(() => ({
        term: boundTerm(constant(step), images, { x0, variance: learned }, variance),
        ofStart: tf.squaredDifference(x0, images),
      }));
      rows.push({
        term: await means(each.term),
        ofStart: await means(each.ofStart),
      });
      tf.dispose(each);
    } finally {
      tf.dispose([noise, x, prediction?.x0, prediction?.variance]);
    }
    await onLevel?.(index, steps.length);
  }
  return {
    total: prior.map((value, i) => rows.reduce((sum, { term }) => sum + term[i], value)),
    prior,
    vlb: rows.map(({ term }) => term),
    xStartMse: rows.map(({ ofStart }) => ofStart),
    // x is signal·x_0 + sigma·ε of both.
    noiseMse: rows.map(({ ofStart }, i) => ofStart.map((error) => error * signalToNoise(levels[i]))),
  };

  async function means(tensor: tf.Tensor): Promise<Float64Array> {
    return meansOf(await tensor.data<'float32'>(), n);
  }
}

const isByte = (value: number) => {
  const byte = (value + 1) * 127.5;
  return Math.abs(byte - Math.round(byte)) < 1e-3;
};

/** The mean over the elements of each of n images. */
function meansOf(values: Float32Array | Float64Array, n: number): Float64Array {
  const size = values.length / n;
  const sums = new Float64Array(n);
  values.forEach((value, i) => (sums[Math.floor(i / size)] += value));
  return sums.map((sum) => sum / size);
}
