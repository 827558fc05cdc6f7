import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import {
  ancestral,
  clipped,
  denoiser,
  edm,
  epsilon,
  guided,
  image,
  learnedRange,
  learnedVariance,
  levelAt,
  qPosterior,
  qSample,
  sample,
  stack,
  trailing,
  velocity,
} from '../index';

const schedule = cosineSchedule({ timesteps: 100 });
const x = tf.tensor4d([-2, -0.7, 0, 0.2, 0.9, 1.7], [6, 1, 1, 1]);
const close = (actual: tf.Tensor, expected: tf.Tensor, within = 5) =>
  actual.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected.dataSync()[i], within));

describe.each([epsilon, image, velocity, edm({ sigmaData: 0.3 })])('around $name', (parameterisation) => {
  test('the first channels mean what they did, and the others the variance', () => {
    const levels = stack(Array.from({ length: 6 }, () => levelAt(schedule, 30)));
    const noise = tf.tensor4d(new Random(1).normals(12), [6, 1, 1, 2]);
    const x0 = tf.tensor4d(new Random(2).normals(12), [6, 1, 1, 2]);
    const values = tf.tensor4d(new Random(3).normals(12), [6, 1, 1, 2]);
    const output = tf.concat<tf.Tensor4D>([parameterisation.target(levels, x0, noise), values], 3);
    const before = tf.memory().numTensors;
    const range = learnedRange(parameterisation).predict(levels, qSample(levels, x0, noise), output);
    const log = learnedVariance(parameterisation).predict(levels, qSample(levels, x0, noise), output);
    // Two of q_sample, and what there is of the two predictions.
    expect(tf.memory().numTensors).toBe(before + 2 + 4);
    close(range.x0, x0, 4);
    close(log.x0, x0, 4);
    close((range.variance as { fraction: tf.Tensor4D }).fraction, tf.div(tf.add(values, 1), 2));
    close((log.variance as { log: tf.Tensor4D }).log, values, 7);
  });
});

test('guidance without a classifier is of the image alone; the variance is that with the condition', async () => {
  const network = {
    conditions: ['label'],
    apply: (at: tf.Tensor4D, _: tf.Tensor1D, given: Readonly<Record<string, tf.Tensor>> = {}) => {
      const label = tf.reshape(tf.cast(given.label, 'float32'), [-1, 1, 1, 1]);
      return tf.concat<tf.Tensor4D>([tf.add(tf.mul(at, 0.5), label), tf.add(tf.mul(at, 0), label)] as tf.Tensor4D[], 3);
    },
  };
  const labels = (label: number) => ({ label: tf.fill([6], label, 'int32') });
  const options = { condition: labels(1), none: labels(3), parameterisation: learnedRange(image) };
  const level = levelAt(schedule, 30);
  for (const rescale of [0, 0.7]) {
    const { x0, variance } = await clipped(guided(network, { ...options, scale: 2, rescale }))(x, level);
    if (rescale === 0) close(x0, tf.clipByValue(tf.sub(tf.mul(x, 0.5), 1), -1, 1));
    close((variance as { fraction: tf.Tensor4D }).fraction, tf.onesLike(x));
  }
});

describe('a learned variance', () => {
  const levels = trailing(schedule, 10);
  const network = (fraction: number) => ({
    apply: (at: tf.Tensor4D) =>
      tf.concat<tf.Tensor4D>([tf.mul(at, 0.5), tf.fill(at.shape, 2 * fraction - 1)] as tf.Tensor4D[], 3),
  });
  const drawn = async (fraction: number | undefined, variance?: 'lower' | 'upper') => {
    const denoise =
      fraction === undefined
        ? denoiser({ apply: (at: tf.Tensor4D) => tf.mul<tf.Tensor4D>(at, 0.5) })
        : denoiser(network(fraction), { parameterisation: learnedRange(epsilon) });
    return sample(denoise, x, { sampler: ancestral(levels, { variance }), rng: new Random(2) });
  };

  test('is what ancestral sampling draws with: β̃ and β at its ends, and their geometric mean half-way', async () => {
    close(await drawn(0), await drawn(undefined), 4);
    close(await drawn(1), await drawn(undefined, 'upper'), 4);
    close(await drawn(0.5, 'upper'), await drawn(undefined, 'upper'), 4);
    const [t, s] = [levels[3], levels[4]];
    const evaluation = { x, level: t, x0: x, variance: { fraction: tf.fill<tf.Rank.R4>([6, 1, 1, 1], 0.5) } };
    const step = (z: number) => ancestral(levels).step(3, [evaluation], { normals: () => new Float32Array(6).fill(z) });
    const { variance } = qPosterior(t, s);
    const beta = 1 - (t.signal / s.signal) ** 2;
    close(tf.square(tf.sub(step(1), step(0))), tf.fill(x.shape, Math.sqrt(variance * beta)), 5);
  });
});
