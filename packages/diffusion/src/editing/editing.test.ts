import type { NormalSource } from '@ddpm/random';
import { Random, sideBySide } from '@ddpm/random';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise, Level, Sampler } from '../index';
import {
  ancestral,
  between,
  ddim,
  ddimInversion,
  dpmSolver,
  edmScale,
  fromStrength,
  heun,
  karras,
  pndm,
  qSample,
  repaint,
  sample,
  scheduleScale,
  slerp,
  stack,
  trailing,
  uniformLogSnr,
  withKnown,
} from '../index';

/** Pairs of pixels from N(0, Σ), each of variance v and with correlation r. */
const [v, r] = [0.25, 0.8];
/** E[x_0 | x]: along (1, 1) and (1, −1) the data have the variances v(1 ± r), and the noise the same everywhere. */
const bestDenoise: Denoise = (x, { signal, sigma }) => {
  const gain = (variance: number) => (signal * variance) / (signal ** 2 * variance + sigma ** 2);
  return Promise.resolve({
    x0: tf.tidy(() => {
      const [a, b] = tf.split(x, 2, 2);
      const [sum, difference] = [
        tf.mul(tf.add(a, b), gain(v * (1 + r)) / 2),
        tf.mul(tf.sub(a, b), gain(v * (1 - r)) / 2),
      ];
      return tf.concat<tf.Tensor4D>([tf.add(sum, difference), tf.sub(sum, difference)], 2);
    }),
  });
};
const pair = (a: number, b: number) => tf.tensor4d([a, b], [1, 1, 2, 1]);
const schedule = linearSchedule();
const even = trailing(schedule, 20);
const logSnr = uniformLogSnr(scheduleScale(schedule), 16);
const drawsNothing: NormalSource = {
  normals: () => {
    throw new Error('drew noise');
  },
};

describe('repaint', () => {
  const [image, mask] = [pair(0.6, 9), pair(0, 1)];
  /** Mean and variance of the second pixel, given the first. */
  const drawn = async (sampler: Sampler, n = 400) => {
    const rng = new Random(1);
    const noise = tf.tensor4d(rng.normals(2 * n), [n, 1, 2, 1]);
    const x = await sample(bestDenoise, withKnown(noise, sampler.levels[0], { image, mask }, rng), { sampler, rng });
    const [known, unknown] = tf.split(x, 2, 2);
    expect(new Set(known.dataSync())).toEqual(new Set([Math.fround(0.6)]));
    const { mean, variance } = tf.moments(unknown);
    return { mean: mean.dataSync()[0], variance: variance.dataSync()[0] };
  };
  // Of a Gaussian, given the first: r·a and v(1 − r²).
  const truth = { mean: r * 0.6, variance: v * (1 - r ** 2) };

  test.each<[string, readonly Level[], (levels: readonly Level[]) => Sampler]>([
    ['ancestral', logSnr, ancestral],
    ['ddim', logSnr, ddim],
    ['dpmSolver', logSnr, dpmSolver],
  ])('of correlated pixels by %s nears the one given the other as resampling grows', async (_, levels, make) => {
    const errors = [];
    for (const times of [1, 3, 12]) {
      const { mean, variance } = await drawn(repaint(levels, make, { image, mask, jump: 2, times }));
      errors.push(Math.abs(mean - truth.mean) + Math.abs(Math.sqrt(variance) - Math.sqrt(truth.variance)));
    }
    expect(errors[1]).toBeLessThan(errors[0]);
    expect(errors[2]).toBeLessThan(errors[1]);
    expect(errors[2]).toBeLessThan(0.12);
  });

  test('goes down to every jump-th level, back, and at last to the image', () => {
    const levels = Array.from({ length: 8 }, (_, i) => ({ signal: 1 - i / 10, sigma: i / 10, time: i })).reverse();
    const times = (options: { jump: number; times: number }) =>
      repaint(levels, ddim, { image, mask, ...options }).levels.map(({ time }) => time);
    expect(times({ jump: 3, times: 1 })).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
    // At 3: two jumps back to 6; there is none from the image.
    expect(times({ jump: 3, times: 3 })).toEqual([7, 6, 5, 4, 6, 5, 4, 6, 5, 4, 3, 2, 1, 0]);
    expect(times({ jump: 2, times: 2 })).toEqual([7, 6, 5, 6, 5, 4, 3, 4, 3, 2, 1, 0]);
    expect(times({ jump: 9, times: 5 })).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
  });

  test('without a mask draws what the sampler draws, jumps or not, and leaves nothing behind', async () => {
    const all = { image, mask: pair(1, 1) };
    const start = tf.tensor4d(new Random(2).normals(8), [4, 1, 2, 1]);
    const before = tf.memory().numTensors;
    for (const make of [heun, pndm, dpmSolver]) {
      const expected = await sample(bestDenoise, start, { sampler: make(logSnr), rng: drawsNothing });
      const given = await sample(bestDenoise, start, {
        sampler: repaint(logSnr, make, { ...all, times: 1 }),
        rng: new Random(1),
      });
      expect(given.dataSync()).toEqual(expected.dataSync());
      tf.dispose([expected, given]);
      // Those that name levels twice and look back go through jumps too.
      const sampler = repaint(logSnr, make, { ...all, jump: 5, times: 3 });
      tf.dispose(await sample(bestDenoise, start, { sampler, rng: new Random(1) }));
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each([
    [{ jump: 0 }, 'repaint: jump must be a whole number of at least 1, got 0'],
    [{ times: 1.5 }, 'repaint: times must be a whole number of at least 1, got 1.5'],
  ])('refuses %j', (options, message) => {
    expect(() => repaint(even, ddim, { image, mask, ...options })).toThrow(message);
  });
});

describe('fromStrength', () => {
  test('is t/T on a cosine schedule, by timesteps or by noise, and needs no schedule', () => {
    const cosine = cosineSchedule();
    for (const strength of [0.25, 0.5, 0.75]) {
      for (const levels of [trailing(cosine), uniformLogSnr(scheduleScale(cosine), 4000)]) {
        const [first] = fromStrength(levels, strength);
        expect(Math.abs(first.time / 1000 - strength)).toBeLessThan(0.01);
      }
      const [{ sigma }] = fromStrength(karras(edmScale(), 4000), strength);
      expect(Math.abs(Math.atan(sigma) / Math.atan(80) - strength)).toBeLessThan(0.01);
    }
    expect(fromStrength(even, 1)).toEqual(even);
    expect(fromStrength(even, 1e-9)).toEqual(even.slice(-2));
    for (const strength of [0, 1.1, NaN])
      expect(() => fromStrength(even, strength)).toThrow('fromStrength: strength must be above 0 and at most 1');
  });

  test('of little gives the picture back, and of all of it nothing of the picture', async () => {
    const pictures = tf.tensor4d([0.7, -0.4, -0.9, 0.2], [2, 1, 2, 1]);
    const distance = async (strength: number) => {
      const levels = fromStrength(uniformLogSnr(scheduleScale(schedule), 40), strength);
      const rng = new Random(3);
      const x = qSample(stack([levels[0]]), pictures, tf.tensor4d(rng.normals(4), [2, 1, 2, 1]));
      const drawn = await sample(bestDenoise, x, { sampler: ancestral(levels), rng });
      return tf.max(tf.abs(tf.sub(drawn, pictures))).dataSync()[0];
    };
    const distances = [];
    for (const strength of [1e-3, 0.05, 1]) distances.push(await distance(strength));
    expect(distances[0]).toBeLessThan(0.03);
    expect(distances[1]).toBeLessThan(0.2);
    expect(distances[2]).toBeGreaterThan(0.5);
  });
});

describe('between two images', () => {
  const normal = (seed: number) => new Random(seed).normals(1000);

  test('slerp ends at both, and keeps the length of noise, which a line does not', () => {
    const [a, b] = [normal(1), normal(2)];
    expect(slerp(a, b, 0)).toEqual(a);
    expect(slerp(a, b, 1)).toEqual(b);
    const length = (values: Float32Array) => Math.hypot(...values);
    expect(length(slerp(a, b, 0.5)) / length(a)).toBeCloseTo(1, 1);
    expect(length(a.map((value, i) => (value + b[i]) / 2)) / length(a)).toBeLessThan(0.75);
    expect(slerp(a, a, 0.3)).toEqual(a);
    expect(() => slerp(a, b.subarray(1), 0)).toThrow('slerp: both must have the same length, got 1000 and 999');
    expect(() => slerp(a, b, 2)).toThrow('slerp: share must be from 0 to 1, got 2');
  });

  test('noise between two seeds leads from the image of the one to that of the other, with a sampler that draws too', async () => {
    for (const sampler of [ancestral(even), ddim(even)]) {
      const images = async (rngs: NormalSource[]) => {
        const rng = sideBySide(rngs);
        const xT = tf.tensor4d(rng.normals(2 * rngs.length), [rngs.length, 1, 2, 1]);
        return (await sample(bestDenoise, xT, { sampler, rng })).dataSync();
      };
      const ends = await images([new Random(1), new Random(2)]);
      const way = await images([0, 0.5, 1].map((share) => between(new Random(1), new Random(2), share)));
      expect([...way.subarray(0, 2), ...way.subarray(4)]).toEqual([...ends]);
      expect(way.subarray(2, 4)).not.toEqual(ends.subarray(0, 2));
    }
  });

  test('pictures that were led to noise, and to an arc between, come back at its ends', async () => {
    const levels = uniformLogSnr(scheduleScale(schedule), 200);
    const pictures = tf.tensor4d([0.7, 0.4, -0.9, -0.2], [2, 1, 2, 1]);
    const noise = (
      await sample(bestDenoise, pictures, { sampler: ddimInversion(levels), rng: drawsNothing })
    ).dataSync<'float32'>();
    const [a, b] = [noise.subarray(0, 2), noise.subarray(2)];
    for (const share of [0, 1]) {
      const xT = tf.tensor4d(slerp(a, b, share), [1, 1, 2, 1]);
      const back = (await sample(bestDenoise, xT, { sampler: ddim(levels), rng: drawsNothing })).dataSync();
      back.forEach((value, i) => expect(Math.abs(value - pictures.dataSync()[2 * share + i])).toBeLessThan(0.03));
    }
  });
});
