import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';

/**
 * How noisy: x = signal·x_0 + sigma·ε, and what tells the network so. A schedule's t is the level (√ᾱ_t, √(1 − ᾱ_t),
 * t), EDM's σ is (1, σ, σ), a flow's t is (1 − t, t, 1000·t).
 */
export interface Level {
  /** The factor that is left of the image. */
  readonly signal: number;
  /** The standard deviation of the noise. */
  readonly sigma: number;
  /** The number by which a network is told of it. */
  readonly time: number;
}

/** The levels of a batch, one for each image, as tensors. */
export interface Levels {
  /** [n, 1, 1, 1], or one number where it is the same for all. */
  readonly signal: tf.Tensor4D | tf.Scalar;
  /** Shaped like `signal`. */
  readonly sigma: tf.Tensor4D | tf.Scalar;
  /** [n] float32. */
  readonly time: tf.Tensor1D;
}

/** The image itself. */
export const clean: Level = { signal: 1, sigma: 0, time: 0 };

/**
 * A schedule's level at t. Between two timesteps log(sigma/signal) is linear in t, as in k-diffusion.
 * @throws RangeError unless t is a number from 0 to T − 1
 */
export function levelAt({ timesteps, sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod }: NoiseSchedule, t: number): Level {
  if (!(t >= 0 && t <= timesteps - 1))
    throw new RangeError(`levelAt: t must be a number from 0 to ${timesteps - 1}, got ${t}`);
  const below = Math.floor(t);
  if (below === t) return { signal: sqrtAlphasCumprod[t], sigma: sqrtOneMinusAlphasCumprod[t], time: t };
  const [a, b] = [below, below + 1].map((i) => Math.log(sqrtOneMinusAlphasCumprod[i] / sqrtAlphasCumprod[i]));
  return { ...ofRatio(Math.exp(a + (t - below) * (b - a))), time: t };
}

/**
 * EDM's level at σ (Karras et al. 2022): the image as it is, and noise of that deviation.
 * @throws RangeError unless sigma is a number above 0
 */
export function edmAt(sigma: number): Level {
  if (!(sigma > 0 && sigma < Infinity)) throw new RangeError(`edmAt: sigma must be a number above 0, got ${sigma}`);
  return { signal: 1, sigma, time: sigma };
}

/**
 * A flow's level at t: x = (1 − t)·x_0 + t·ε, straight from the image to noise (Lipman et al. 2023; Liu et al. 2023).
 * The network is told 1000·t, as by Stable Diffusion 3 (Esser et al. 2024), since what embeds the time was made for
 * timesteps.
 * @param t from 0, the image, to 1, noise
 * @throws RangeError if it is not
 */
export function flowAt(t: number): Level {
  if (!(t >= 0 && t <= 1)) throw new RangeError(`flowAt: t must be from 0 to 1, got ${t}`);
  return { signal: 1 - t, sigma: t, time: 1000 * t };
}

/** signal and sigma with sigma/signal = ratio whose squares add up to 1. */
export const ofRatio = (ratio: number) => ({ signal: 1 / Math.hypot(1, ratio), sigma: 1 / Math.hypot(1, 1 / ratio) });

/** Levels as tensors, one for each image of a batch; the caller owns them. */
export function stack(levels: readonly Level[]): Levels {
  const column = (of: (level: Level) => number) => tf.tensor4d(Float32Array.from(levels, of), [levels.length, 1, 1, 1]);
  return {
    signal: column(({ signal }) => signal),
    sigma: column(({ sigma }) => sigma),
    time: tf.tensor1d(Float32Array.from(levels, ({ time }) => time)),
  };
}

/** The noise-to-signal ratio's other face: (signal/sigma)². */
export const signalToNoise = ({ signal, sigma }: Level): number => (signal / sigma) ** 2;

/** x = signal·x_0 + sigma·ε (Ho et al. 2020, eq. 4). x_0, ε: [n, h, w, c]. */
export function qSample({ signal, sigma }: Levels, xStart: tf.Tensor4D, noise: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => tf.add(tf.mul(signal, xStart), tf.mul(sigma, noise)));
}
