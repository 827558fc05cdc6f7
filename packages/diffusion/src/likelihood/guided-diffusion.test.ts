import { readFileSync } from 'node:fs';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { eagerGradients } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Bound, Denoise, LevelSource, Sampler } from '../index';
import {
  ancestral,
  classifierGuided,
  clipped,
  ddim,
  ddimInversion,
  denoiser,
  denoising,
  epsilon,
  hybrid,
  l2,
  learnedRange,
  levelAt,
  qPosterior,
  qSample,
  respaced,
  sample,
  spacedTimesteps,
  stack,
  trailing,
  vlb,
} from '../index';
import { stepVariance } from '../sampling/step-variance';
import { boundSteps, boundTerm, constant } from './bound-term';
import { priorBits } from './prior-bits';

/**
 * Made by guided-diffusion's own code in float64, with its linear schedule of T = 1000: images of bytes `x0` [4, 48]
 * with `noise` at `t`, what it makes of them, and chains respaced by 'ddim25' of 48 elements, after 13 and after all 25
 * steps, where step k takes `draws[k + 1]` and x_T is `draws[0]`. Values are in its own order, which matters to nothing
 * here. The network is ε̂ = 0.6x + 0.3 sin(2x + t/250), v = cos(x − t/300); ∇ log p(y | x) = −0.1 (x − 0.3).
 */
const golden = JSON.parse(readFileSync('test/guided-diffusion.json', 'utf8')) as {
  [
    name in
      | 't'
      | 'x0'
      | 'noise'
      | 'predXStart'
      | 'mean'
      | 'logVariance'
      | 'mse'
      | 'vb'
      | 'total'
      | 'clipped'
      | 'unclipped'
      | 'prior'
      | 'useTimesteps'
      | 'inverted'
  ]: number[];
} & { draws: number[][]; chains: Record<string, { middle: number[]; last: number[] }> };

const schedule = linearSchedule();
const whole = trailing(schedule);
const network = {
  apply(x: tf.Tensor4D, t: tf.Tensor1D): tf.Tensor4D {
    const time = tf.reshape(t, [-1, 1, 1, 1]);
    const noise = tf.add(tf.mul(x, 0.6), tf.mul(tf.sin(tf.add(tf.mul(x, 2), tf.div(time, 250))), 0.3));
    return tf.concat<tf.Tensor4D>([noise, tf.cos(tf.sub(x, tf.div(time, 300)))] as tf.Tensor4D[], 3);
  },
};
const parameterisation = learnedRange(epsilon);
const model = denoiser(network, { parameterisation });
const images = golden.x0.map((byte) => byte / 127.5 - 1);
const part = (values: number[], i: number) => values.slice(i * 48, (i + 1) * 48);
const tensor = (values: ArrayLike<number>) => tf.tensor4d(Float32Array.from(values), [values.length / 48, 3, 4, 4]);

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

/** The largest error, as a share of the value where that is above the floor. */
const error = (actual: ArrayLike<number>, expected: readonly number[], floor = 1) => {
  expect(actual).toHaveLength(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(actual[i] - value) / Math.max(floor, Math.abs(value))));
};

describe.each(golden.t.map((t, i) => ({ t, i })))('at t = $t', ({ t, i }) => {
  const level = levelAt(schedule, t);
  const [x0, noise] = [tensor(part(images, i)), tensor(part(golden.noise, i))];
  const x = qSample(stack([level]), x0, noise);

  test('x̂_0, the mean and the learned variance', async () => {
    const prediction = await clipped(model)(x, level);
    expect(error(prediction.x0.dataSync(), part(golden.predXStart, i))).toBeLessThan(1e-5);
    const { fromStart, fromX } = qPosterior(level, whole[1000 - t]);
    const mean = tf.add(tf.mul(prediction.x0, fromStart), tf.mul(x, fromX));
    expect(error(mean.dataSync(), part(golden.mean, i))).toBeLessThan(1e-5);
    const variance = stepVariance(whole, 999 - t, prediction.variance!) as tf.Tensor;
    expect(error(tf.log(variance).dataSync(), part(golden.logVariance, i))).toBeLessThan(1e-6);
  });

  test('L_t in bits per dimension, and the prior', async () => {
    const steps = constant(boundSteps('test', whole)[999 - t]);
    const of = async (denoise: Denoise) => mean(boundTerm(steps, x0, await denoise(x, level), 'lower').dataSync());
    // Its float32 leaves 7e-8 of a KL that is the difference of larger numbers: of 9e-7, at t = 999.
    expect(error([await of(clipped(model))], [golden.clipped[i]], 1e-3)).toBeLessThan(1e-4);
    expect(error([await of(model)], [golden.unclipped[i]], 1e-3)).toBeLessThan(2e-5);
    expect(error([mean(Float64Array.from(part(images, i), priorBits(whole[0])))], [golden.prior[i]], 0)).toBeLessThan(
      1e-4,
    );
  });

  test('the hybrid loss, and L_vlb alone', async () => {
    const levels: LevelSource = { draw: () => [{ level }] };
    const lossesOf = async (bound: Bound) => {
      const parameter = tf.variable(tf.scalar(1));
      const task = denoising({
        network: { apply: (at, t) => tf.mul(network.apply(at, t), parameter) },
        parameters: new Map([['a', parameter]]),
        ...{ levels, parameterisation, loss: l2, bound },
      });
      const image = { data: Float32Array.from(part(images, i)), item: [3, 4, 4] };
      const inputs = task.draw({ image }, new Random(1));
      const given = { ...inputs, noise: { ...inputs.noise, data: Float32Array.from(part(golden.noise, i)) } };
      const { losses } = await eagerGradients(task)(new Map([['a', Float32Array.of(1)]]), given);
      return Object.fromEntries([...losses].map(([name, [value]]) => [name, value]));
    };
    const both = await lossesOf(hybrid(whole));
    expect(error([both.loss], [golden.total[i]], 0)).toBeLessThan(1e-5);
    expect(error([both.simple], [golden.mse[i]], 0)).toBeLessThan(1e-5);
    expect(error([both.vlb], [golden.vb[i] * 1000], 0)).toBeLessThan(2e-5);
    const alone = await lossesOf(vlb(whole));
    expect(error([alone.loss], [golden.unclipped[i] * 1000], 0)).toBeLessThan(2e-5);
    expect(alone.simple).toBeCloseTo(both.simple, 6);
  });
});

describe('chains respaced by ddim25', () => {
  const timesteps = spacedTimesteps(1000, 'ddim25');
  const levels = respaced(schedule, timesteps);
  const gradient = (x: tf.Tensor4D) => Promise.resolve(tf.tidy(() => tf.mul<tf.Tensor4D>(tf.sub(x, 0.3), -0.1)));
  const guide = { gradient, scale: 1 };

  test('are of its timesteps', () => {
    expect(timesteps).toEqual(golden.useTimesteps);
    expect(levels.map(({ time }) => time)).toEqual([...golden.useTimesteps].reverse().concat(0));
  });

  test.each<[string, Sampler, Denoise]>([
    ['ancestral', ancestral(levels), clipped(model)],
    ['guided', ancestral(levels), classifierGuided(clipped(model), { ...guide, ancestral: { levels } })],
    ['ddim', ddim(levels), clipped(model)],
    ['ddimGuided', ddim(levels), classifierGuided(clipped(model), guide)],
  ])('%s', async (name, sampler, denoise) => {
    let draws = 0;
    let middle: Float32Array | undefined;
    const last = await sample(denoise, tensor(golden.draws[0]), {
      sampler,
      rng: { normals: () => Float32Array.from(golden.draws[++draws]) },
      onStep: ({ index, x }) => void (index === 12 && (middle = x.dataSync<'float32'>())),
    });
    expect(error(middle!, golden.chains[name].middle)).toBeLessThan(2e-5);
    expect(error(last.dataSync(), golden.chains[name].last)).toBeLessThan(2e-5);
  });

  test('ddim inversion, which takes the image for x at the first level and ends in noise alone', async () => {
    const rng = new Random(1);
    const noise = { signal: 0, sigma: 1, time: 1000 };
    const sampler = ddimInversion([noise, ...levels.slice(0, -1)]);
    const inverted = await sample(model, tensor(part(images, 0)), { sampler, rng });
    expect(error(inverted.dataSync(), golden.inverted)).toBeLessThan(2e-5);
  });
});
