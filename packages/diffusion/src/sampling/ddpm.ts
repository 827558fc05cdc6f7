import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs-core';
import type { Sampler } from './sampler';

/**
 * The mean of q(x_{t−1} | x_t, x_0): √ᾱ_{t−1} β_t/(1 − ᾱ_t) x_0 + √α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) x_t (Ho et al. 2020, eq. 7).
 * xStart, xt: [n, h, w, c], all at one t → [n, h, w, c].
 */
export function qPosteriorMean(schedule: NoiseSchedule, xStart: tf.Tensor4D, xt: tf.Tensor4D, t: number): tf.Tensor4D {
  const { betas, alphas, alphasCumprod, alphasCumprodPrev } = schedule;
  const variance = 1 - alphasCumprod[t];
  const fromStart = (Math.sqrt(alphasCumprodPrev[t]) * betas[t]) / variance;
  const fromXt = (Math.sqrt(alphas[t]) * (1 - alphasCumprodPrev[t])) / variance;
  return tf.tidy(() => tf.add(tf.mul(xStart, fromStart), tf.mul(xt, fromXt)));
}

/**
 * x_{t−1} from x_t and x̂_0: the posterior mean **plus** √β̃_t z, and at t = 0 the mean alone (Ho et al. 2020, Algorithm 2, line 4).
 * (The tutorial's own code multiplies the mean by the noise there, which turns every sample into the same image.)
 */
export function ancestralStep(schedule: NoiseSchedule, xStart: tf.Tensor4D, xt: tf.Tensor4D, t: number, z: () => tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => {
    const mean = qPosteriorMean(schedule, xStart, xt, t);
    return t === 0 ? mean : tf.add(mean, tf.mul(z(), Math.sqrt(schedule.posteriorVariance[t])));
  });
}

/** Ancestral sampling over every timestep (Ho et al. 2020, Algorithm 2). It draws no noise at the last step. */
export function ddpm(schedule: NoiseSchedule): Sampler {
  const timesteps = Array.from({ length: schedule.timesteps }, (_, i) => schedule.timesteps - 1 - i);
  return {
    timesteps,
    step: ({ xt, xStart, index, rng }) =>
      ancestralStep(schedule, xStart, xt, timesteps[index], () => tf.tensor4d(rng.normals(xt.size), xt.shape)),
  };
}
