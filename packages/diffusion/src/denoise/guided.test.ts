import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise, GuidedOptions, Level, Network, Parameterisation } from '../index';
import {
  ddim,
  denoiser,
  edm,
  edmAt,
  epsilon,
  flow,
  guided,
  image,
  levelAt,
  sample,
  stack,
  trailing,
  velocity,
} from '../index';

/** Pixels of two classes, each a mixture of two normal distributions. */
interface Component {
  readonly label: number;
  readonly share: number;
  readonly mean: number;
  readonly deviation: number;
}
const components: readonly Component[] = [
  { label: 0, share: 0.3, mean: -0.9, deviation: 0.1 },
  { label: 0, share: 0.2, mean: -0.2, deviation: 0.2 },
  { label: 1, share: 0.1, mean: 0.2, deviation: 0.05 },
  { label: 1, share: 0.4, mean: 0.8, deviation: 0.15 },
];
const NONE = 2;

/** E[x_0 | x, label] in closed form: each component's best guess, by how probable it is. */
function expected(x: number, { signal, sigma }: Level, label: number): number {
  let [sum, total] = [0, 0];
  for (const { share, mean, deviation } of components.filter((one) => label === NONE || one.label === label)) {
    const variance = (signal * deviation) ** 2 + sigma ** 2;
    const density = (share * Math.exp(-((x - signal * mean) ** 2) / (2 * variance))) / Math.sqrt(variance);
    sum += density * (mean + ((signal * deviation ** 2) / variance) * (x - signal * mean));
    total += density;
  }
  return sum / total;
}

/**
 * The best network of the mixture at a level, and how many rows it was given at each call. It is asked with x itself.
 */
function best(parameterisation: Parameterisation, level: Level): { network: Network; rows: number[] } {
  const rows: number[] = [];
  return {
    rows,
    network: {
      conditions: ['label'],
      apply(x, _told, condition) {
        const labels = condition!.label.dataSync();
        const values = x.dataSync();
        rows.push(x.shape[0]);
        const size = values.length / labels.length;
        const x0 = tf.tensor4d(
          values.map((value, i) => expected(value, level, labels[Math.floor(i / size)])),
          x.shape,
        );
        const levels = stack(Array.from({ length: x.shape[0] }, () => level));
        // ε̂ = (x − signal·x̂_0)/sigma, and with it the target of any parameterisation.
        const noise = tf.div<tf.Tensor4D>(tf.sub(x, tf.mul(x0, level.signal)), level.sigma);
        return tf.clone(parameterisation.target(levels, x0, noise));
      },
    },
  };
}

const labelsOf = (...labels: number[]) => ({ label: tf.tensor1d(labels, 'int32') });
const [condition, none] = [labelsOf(0, 1, 1), labelsOf(NONE, NONE, NONE)];
const x = tf.tensor4d(new Random(1).normals(12), [3, 2, 2, 1]);
const level = levelAt(cosineSchedule({ timesteps: 10 }), 6);
const guide = (scale: number, more: Partial<GuidedOptions> = {}) => ({ condition, none, scale, ...more });

describe.each([epsilon, image, velocity, flow])('guidance of a network that predicts $name', (parameterisation) => {
  const { network } = best(parameterisation, level);
  const exact = (label: (row: number) => number) =>
    Array.from(x.dataSync(), (value, i) => expected(value, level, label(Math.floor(i / 4))));
  const [with_, without] = [exact((row) => [0, 1, 1][row]), exact(() => NONE)];
  const at = async (scale: number) =>
    (await guided(network, guide(scale, { parameterisation }))(x, level)).x0.dataSync();

  test('at s = 1 is the exact conditional, at s = 0 the exact unconditional, and goes along their difference', async () => {
    // The classes must be apart, or this would show nothing.
    expect(Math.max(...with_.map((value, i) => Math.abs(value - without[i])))).toBeGreaterThan(0.3);
    for (const scale of [1, 0, 0.5, 3, -1])
      (await at(scale)).forEach((value, i) =>
        expect(value).toBeCloseTo(without[i] + scale * (with_[i] - without[i]), 5),
      );
  });
});

test('s = 1 and 0 are the conditional and the unconditional to the bit, and call no more; else one call has both halves', async () => {
  const { network, rows } = best(epsilon, level);
  const of = async (denoise: Denoise) => (await denoise(x, level)).x0.dataSync();
  expect(await of(guided(network, guide(1, { rescale: 0.7 })))).toEqual(await of(denoiser(network, { condition })));
  expect(await of(guided(network, guide(0, { rescale: 0.7 })))).toEqual(
    await of(denoiser(network, { condition: none })),
  );
  expect(rows.splice(0)).toEqual([3, 3, 3, 3]);
  await of(guided(network, guide(2)));
  expect(rows).toEqual([6]);
});

test('gives what EDM’s preconditioning tells the network to both halves', async () => {
  const parameterisation = edm({ sigmaData: 0.4 });
  const seen: number[][] = [];
  const network: Network = {
    conditions: ['label'],
    apply: (given, told, { label } = {}) => {
      seen.push([...told.dataSync()], [...label.dataSync()], [...given.dataSync()]);
      return tf.mul(given, 0.5);
    },
  };
  await guided(network, guide(2, { parameterisation }))(x, edmAt(1));
  expect(seen[0]).toEqual([0, 0, 0, 0, 0, 0]);
  expect(seen[1]).toEqual([0, 1, 1, NONE, NONE, NONE]);
  expect(seen[2].slice(12)).toEqual(seen[2].slice(0, 12));
  x.dataSync().forEach((value, i) => expect(seen[2][i]).toBeCloseTo(value / Math.sqrt(1.16), 6));
});

test('rescaling brings each image’s deviation back to the conditional one’s, by φ of the way', async () => {
  const { network } = best(image, level);
  const of = async (options: GuidedOptions) =>
    (await guided(network, { ...options, parameterisation: image })(x, level)).x0;
  const deviations = (values: tf.Tensor4D) => tf.sqrt(tf.moments(values, [1, 2, 3]).variance).dataSync();
  const [conditional, plain] = [deviations(await of(guide(1))), await of(guide(4))];
  const free = deviations(plain);
  for (const rescale of [0.7, 1]) {
    const rescaled = await of(guide(4, { rescale }));
    deviations(rescaled).forEach((value, i) =>
      expect(value).toBeCloseTo(rescale * conditional[i] + (1 - rescale) * free[i], 5),
    );
    // Scaled as a whole.
    const ratios = tf.div(rescaled, plain).dataSync();
    ratios.forEach((ratio, i) => expect(ratio).toBeCloseTo(ratios[4 * Math.floor(i / 4)], 4));
  }
});

test('takes place within its interval of σ alone; elsewhere the network is conditional', async () => {
  const { network, rows } = best(image, level);
  const denoise = guided(network, guide(3, { interval: [0.5, 2], parameterisation: image }));
  const nothingLeft = { signal: 0, sigma: 1, time: 9 };
  for (const at of [edmAt(0.5), edmAt(0.6), edmAt(2), edmAt(2.1), { signal: 0.5, sigma: 0.6, time: 0 }, nothingLeft])
    await denoise(x, at);
  expect(rows).toEqual([3, 6, 6, 3, 6, 3]);
});

test('leads noise to the class: samples at s = 1 have the moments of its data', async () => {
  const schedule = cosineSchedule({ timesteps: 1000 });
  const n = 4000;
  const [ones, nones] = [1, NONE].map((label) => ({ label: tf.fill([n], label, 'int32') }));
  const denoise: Denoise = (at, level_) =>
    guided(best(epsilon, level_).network, { condition: ones, none: nones, scale: 1 })(at, level_);
  const rng = new Random(5);
  const x0 = await sample(denoise, tf.tensor4d(rng.normals(n), [n, 1, 1, 1]), {
    sampler: ddim(trailing(schedule, 40)),
    rng,
  });
  const { mean, variance } = tf.moments(x0);
  const exact = { mean: 0.2 * 0.2 + 0.8 * 0.8, square: 0.2 * (0.2 ** 2 + 0.05 ** 2) + 0.8 * (0.8 ** 2 + 0.15 ** 2) };
  expect(mean.dataSync()[0]).toBeCloseTo(exact.mean, 1);
  expect(Math.abs(Math.sqrt(variance.dataSync()[0]) - Math.sqrt(exact.square - exact.mean ** 2))).toBeLessThan(0.03);
});

test('leaves only its result, and nothing where the network fails', async () => {
  const { network } = best(epsilon, level);
  const before = tf.memory().numTensors;
  const { x0 } = await guided(network, guide(2, { rescale: 0.5 }))(x, level);
  expect(tf.memory().numTensors).toBe(before + 1);
  x0.dispose();
  const failing = () => Promise.reject(new Error('out of memory'));
  await expect(guided(failing, guide(2))(x, level)).rejects.toThrow('out of memory');
  expect(tf.memory().numTensors).toBe(before);
});

test('refuses what does not fit', () => {
  const { network } = best(epsilon, level);
  expect(() => guided(network, guide(2, { none: labelsOf(NONE) }))).toThrow(
    'guided: condition and none must have the same names and shapes, got label [3] and label [1]',
  );
  expect(() => guided(network, guide(2, { none: {} }))).toThrow('got label [3] and nothing');
  expect(() => guided({ apply: network.apply }, guide(2))).toThrow(
    'guided: the network takes the conditions none, and was given label',
  );
  expect(() => guided(network, guide(NaN))).toThrow('guided: scale must be a number, got NaN');
  expect(() => guided(network, guide(2, { rescale: 2 }))).toThrow('guided: rescale must be from 0 to 1, got 2');
  expect(() => guided(network, guide(2, { interval: [2, 1] }))).toThrow(
    'guided: interval must be two σ, the lower first, got 2 and 1',
  );
});
