import { Random } from '@ddpm/random';
import { cosineSchedule, velocityCosineSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Classifier, Denoise, Level, Sampler } from '../index';
import { ancestral, classifierGuided, ddim, labelGradient, levelAt, sample, trailing } from '../index';

/** Pixels of two classes, each drawn from a normal distribution, one in three of them of the first. */
const classes = [
  { share: 1 / 3, mean: -0.6, deviation: 0.2 },
  { share: 2 / 3, mean: 0.3, deviation: 0.1 },
];

/** log p(x, y) of a pixel at a level, for both classes: the best classifier's logits. */
const classifierAt = ({ signal, sigma }: Level): Classifier => ({
  apply: (x) =>
    tf.concat<tf.Tensor2D>(
      classes.map(({ share, mean, deviation }) => {
        const variance = (signal * deviation) ** 2 + sigma ** 2;
        const distance = tf.div(tf.square(tf.sub(x, signal * mean)), 2 * variance);
        return tf.sub<tf.Tensor2D>(Math.log(share / Math.sqrt(variance)), tf.reshape<tf.Rank.R2>(distance, [-1, 1]));
      }),
      1,
    ),
});

/** E[x_0 | x, y] of a pixel. */
const bestOf = (y: number, x: tf.Tensor4D, { signal, sigma }: Level) => {
  const { mean, deviation } = classes[y];
  const gain = (signal * deviation ** 2) / ((signal * deviation) ** 2 + sigma ** 2);
  return tf.add<tf.Tensor4D>(mean, tf.mul(tf.sub(x, signal * mean), gain));
};

/** E[x_0 | x] of a pixel: the best network without classes. */
const best: Denoise = (x, level) =>
  Promise.resolve({
    x0: tf.tidy(() => {
      const shares = tf.softmax(classifierAt(level).apply(x, tf.tensor1d([level.time])));
      const of = (y: number) => tf.mul(tf.reshape(tf.slice(shares, [0, y], [-1, 1]), x.shape), bestOf(y, x, level));
      return tf.add<tf.Tensor4D>(of(0), of(1));
    }),
  });

const gradient = (y: number) => (x: tf.Tensor4D, level: Level) =>
  Promise.resolve(
    tf.tidy(() => {
      const [told, label] = [tf.fill([x.shape[0]], level.time), tf.fill([x.shape[0]], y, 'int32')];
      return labelGradient(classifierAt(level))(x, told as tf.Tensor1D, label as tf.Tensor1D);
    }),
  );

const schedule = cosineSchedule({ timesteps: 100 });
const x = tf.tensor4d([-2, -0.7, 0, 0.2, 0.9, 1.7], [6, 1, 1, 1]);
const close = (actual: tf.Tensor, expected: tf.Tensor, within = 5) =>
  actual.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected.dataSync()[i], within));

test.each([90, 60, 30, 5])('at s = 1 of the best classifier x̂_0 is E[x_0 | x, y], at t = %d', async (t) => {
  const level = levelAt(schedule, t);
  for (const y of [0, 1]) {
    const { x0 } = await classifierGuided(best, { gradient: gradient(y), scale: 1 })(x, level);
    close(x0, bestOf(y, x, level), 4);
  }
});

test.each([
  ['lower', undefined],
  ['upper', undefined],
  ['the network’s', tf.fill<tf.Rank.R4>([6, 1, 1, 1], 0.3)],
] as const)('in a chain the mean moves by s·σ²·∇, σ² the sampler’s own: %s', async (which, fraction) => {
  const levels = trailing(schedule, 20);
  const fixed = which === 'lower' || which === 'upper' ? which : undefined;
  const denoise: Denoise = async (at, level) => ({
    ...(await best(at, level)),
    ...(fraction && { variance: { fraction: tf.clone(fraction) } }),
  });
  const guide = classifierGuided(denoise, {
    gradient: gradient(0),
    scale: 2.5,
    ancestral: { levels, variance: fixed },
  });
  for (const index of [0, 7, 18]) {
    const level = levels[index];
    const step = async (of: Denoise, z: number) => {
      const rng = { normals: () => new Float32Array(6).fill(z) };
      const evaluation = { ...(await of(x, level)), x, level };
      return ancestral(levels, { variance: fixed }).step(index, [evaluation], rng);
    };
    const [plain, guided, noisy] = [await step(denoise, 0), await step(guide, 0), await step(denoise, 1)];
    const variance = tf.square(tf.sub(noisy, plain));
    close(tf.sub(guided, plain), tf.mul(2.5, tf.mul(variance, await gradient(0)(x, level))), 4);
  }
});

describe('leads noise to the class: samples have the moments of its data', () => {
  const levels = trailing(schedule);
  test.each<[string, Sampler, { levels: readonly Level[] } | undefined]>([
    ['by DDIM', ddim(trailing(schedule, 30)), undefined],
    ['by ancestral sampling', ancestral(levels), { levels }],
  ])('%s', async (_, sampler, chain) => {
    const rng = new Random(5);
    const n = 400;
    const guide = { gradient: gradient(0), scale: 1, ...(chain && { ancestral: chain }) };
    const xT = tf.tensor4d(rng.normals(n), [n, 1, 1, 1]);
    const { mean, variance } = tf.moments(await sample(classifierGuided(best, guide), xT, { sampler, rng }));
    expect(Math.abs(mean.dataSync()[0] - classes[0].mean)).toBeLessThan(0.04);
    expect(Math.abs(Math.sqrt(variance.dataSync()[0]) - classes[0].deviation)).toBeLessThan(0.04);
  });
});

test('labelGradient is the slope of log p(y | x)', () => {
  const level = levelAt(schedule, 40);
  const log = (at: tf.Tensor4D) =>
    tf.slice(tf.logSoftmax(classifierAt(level).apply(at, tf.tensor1d([40]))), [0, 1], [6, 1]);
  const [told, label] = [tf.fill<tf.Rank.R1>([6], 40), tf.fill<tf.Rank.R1>([6], 1, 'int32')];
  const h = 2 ** -8;
  const slope = tf.div(tf.sub(log(tf.add(x, h)), log(tf.sub(x, h))), 2 * h);
  close(labelGradient(classifierAt(level))(x, told, label), tf.reshape(slope, x.shape), 2);
});

test('s = 0 is the network alone; nothing is left but the result, nor where the network fails', async () => {
  expect(classifierGuided(best, { gradient: gradient(0), scale: 0 })).toBe(best);
  const level = levelAt(schedule, 40);
  const before = tf.memory().numTensors;
  const { x0 } = await classifierGuided(best, { gradient: gradient(0), scale: 2 })(x, level);
  expect(tf.memory().numTensors).toBe(before + 1);
  x0.dispose();
  const failing = () => Promise.reject(new Error('out of memory'));
  const guide = classifierGuided(failing, { gradient: gradient(0), scale: 2 });
  await expect(guide(x, level)).rejects.toThrow('out of memory');
  expect(tf.memory().numTensors).toBe(before);
});

test('refuses what cannot be guided', async () => {
  expect(() => classifierGuided(best, { gradient: gradient(0), scale: NaN })).toThrow(
    'classifierGuided: scale must be a number, got NaN',
  );
  const of = (levels?: readonly Level[]) =>
    classifierGuided(best, { gradient: gradient(0), scale: 1, ...(levels && { ancestral: { levels } }) });
  await expect(of(trailing(schedule, 4))(x, levelAt(schedule, 40))).rejects.toThrow(
    'classifierGuided: the chain has no level at time 40',
  );
  await expect(of()(x, levelAt(velocityCosineSchedule({ timesteps: 3 }), 2))).rejects.toThrow(
    'classifierGuided: at a level without signal, at time 2, only ancestral sampling can be guided',
  );
});
