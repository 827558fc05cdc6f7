import type { Denoise } from '@ddpm/diffusion';
import { clean, sample } from '@ddpm/diffusion';
import { Random } from '@ddpm/random';
import { stretchedLinearSchedule, velocityCosineSchedule, zeroTerminalSnr } from '@ddpm/schedules';
import '@tensorflow/tfjs';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { chooseSampler, edmLevels, flowLevels, samplerFor, samplers, scheduleLevels, spacings } from './index';

const schedule = stretchedLinearSchedule({ timesteps: 100 });
const [ofSchedule, ofEdm, ofFlow] = [scheduleLevels(schedule), edmLevels(), flowLevels()];

/** E[x_0 | x] where every pixel of the data is N(mean, deviation²). */
const denoiseNormal =
  (mean: number, deviation: number): Denoise =>
  async (x, { signal, sigma }) => {
    const gain = (signal * deviation ** 2) / (signal ** 2 * deviation ** 2 + sigma ** 2);
    return Promise.resolve({ x0: tf.tidy(() => tf.add<tf.Tensor4D>(tf.mul(tf.sub(x, signal * mean), gain), mean)) });
  };
const [mean, deviation] = [0.3, 0.2];
const bestDenoise = denoiseNormal(mean, deviation);

describe('samplers by name', () => {
  // A consistency model says something else than E[x_0 | x].
  const names = Object.keys(samplers).filter((name) => name !== 'lcm');
  test.each(names)(
    '%s draws Gaussian data, with what is its own by default, from levels of every kind',
    async (name) => {
      for (const [kind, known] of Object.entries({ ofSchedule, ofEdm, ofFlow })) {
        const whole = samplers[name].steps === 'all' && !known.schedule;
        const sampler = samplerFor({ sampler: name, ...(whole && { steps: 100 }) }, known);
        const [first] = sampler.levels;
        const rng = new Random([1, name, kind]);
        const n = 1000;
        const xT = tf.mul<tf.Tensor4D>(
          tf.tensor4d(rng.normals(n), [n, 1, 1, 1]),
          Math.hypot(first.signal, first.sigma),
        );
        const moments = tf.moments(await sample(bestDenoise, xT, { sampler, rng }));
        expect(Math.abs(moments.mean.dataSync()[0] - mean)).toBeLessThan(0.03);
        expect(Math.abs(Math.sqrt(moments.variance.dataSync()[0]) / deviation - 1)).toBeLessThan(0.25);
      }
    },
  );

  const dark = { 'velocity-cosine': velocityCosineSchedule({ timesteps: 100 }), 'zero-snr': zeroTerminalSnr(schedule) };
  // As many below 0 as above, of variance 1, so that chance has no part in the results of what draws nothing.
  const normals = new Random(2).normals(100);
  const scale = Math.hypot(...normals) / Math.sqrt(normals.length);
  const balanced = Float32Array.from([...normals, ...normals.map((z) => -z)], (z) => z / scale);
  test.each(names)('%s draws Gaussian data by any levels of a schedule that ends without signal', async (name) => {
    const [wide, n] = [0.7, balanced.length];
    const far: string[] = [];
    for (const [of, schedule] of Object.entries(dark))
      for (const spacing of Object.keys(spacings)) {
        const sampler = samplerFor({ sampler: name, spacing, steps: 20 }, scheduleLevels(schedule));
        const [{ signal, sigma }] = sampler.levels;
        // x of the data at the first level, which some spacings put below the noisiest.
        const xT = balanced.map((z) => signal * mean + Math.hypot(signal * wide, sigma) * z);
        const rng = new Random([2, name, of, spacing]);
        const x0 = await sample(denoiseNormal(mean, wide), tf.tensor4d(xT, [n, 1, 1, 1]), { sampler, rng });
        const moments = tf.moments(x0);
        const [m, s] = [moments.mean.dataSync()[0], Math.sqrt(moments.variance.dataSync()[0])];
        // Chance moves the mean by 0.15 at most, and 20 steps of an ancestral sampler lose a third of the deviation.
        if (!(Math.abs(m - mean) < 0.15 && Math.abs(s / wide - 1) < 0.36)) far.push(`${of}, ${spacing}: ${m} and ${s}`);
      }
    expect(far).toEqual([]);
  });

  test('what is not said is filled in, and told', () => {
    expect(chooseSampler({}, ofSchedule)).toMatchObject({
      ...{ sampler: 'dpm++2m', steps: 25, spacing: 'uniform-log-snr', eta: 0 },
    });
    expect(chooseSampler({ sampler: 'ancestral' }, ofSchedule)).toMatchObject({ steps: 100, spacing: 'trailing' });
    expect(chooseSampler({ sampler: 'ddim' }, ofEdm)).toMatchObject({ steps: 50, spacing: 'uniform-log-snr' });
    expect(chooseSampler({ sampler: 'heun', churn: 3 }, ofEdm)).toMatchObject({ churn: 3 });
    expect(chooseSampler({ sampler: 'dpm++2m-sde' }, ofEdm)).toMatchObject({ eta: 1 });
    const draws = (choice: object) => chooseSampler(choice, ofSchedule).draws;
    expect([{}, { eta: 0.1 }, { sampler: 'lcm' }, { sampler: 'euler' }].map(draws)).toEqual([false, true, true, false]);
    expect(chooseSampler({ spacing: 'trailing', steps: 7 }, ofSchedule).levels).toHaveLength(8);
  });

  test('a schedule with fewer timesteps than steps are taken by default gives them all', () => {
    const short = stretchedLinearSchedule({ timesteps: 30 });
    const known = scheduleLevels(short);
    expect(chooseSampler({ sampler: 'ddim' }, known).steps).toBe(30);
    const shorter = stretchedLinearSchedule({ timesteps: 22 });
    const few = chooseSampler({}, scheduleLevels(shorter));
    expect([few.steps, few.spacing]).toEqual([22, 'uniform-log-snr']);
    expect(() => chooseSampler({ sampler: 'ddim', steps: 31 }, known)).toThrow(
      "trailing: steps must be a whole number from 1 to 30, the schedule's timesteps; got 31",
    );
  });

  test('where nothing of the image is left at the noisiest level, levels are spaced by timesteps', () => {
    const dark = zeroTerminalSnr(schedule);
    const known = scheduleLevels(dark);
    expect(chooseSampler({}, known)).toMatchObject({ sampler: 'dpm++2m', spacing: 'trailing' });
  });

  test.each([
    [{ sampler: 'magic' }, "sampler must be one of ancestral, ancestral-lower, ancestral-upper, ddim, .* got 'magic'"],
    [{ spacing: 'toString' }, "spacing must be one of trailing, .* got 'toString'"],
    [{ sampler: 'unipc2', eta: 1 }, 'sampler unipc2 has no η; ddim, .*, kdpm2 have'],
    [{ sampler: 'ddim', churn: 1 }, 'sampler ddim does not churn; euler, heun do'],
    [
      { sampler: 'ancestral' },
      "sampler ancestral takes all of a schedule's timesteps, and this model's levels have none",
    ],
    [{ spacing: 'leading' }, "spacing leading is one of a schedule's timesteps, and this model's levels have none"],
  ])('%j is refused', (choice, message) => {
    expect(() => chooseSampler(choice, ofFlow)).toThrow(new RegExp(message));
  });

  test('what a model was tuned for is what is taken, but for what is said', () => {
    const tuned = { sampler: 'ddim', steps: 4, spacing: 'linspace' };
    expect(chooseSampler({}, ofSchedule, tuned)).toMatchObject(tuned);
    expect(chooseSampler({ steps: 2 }, ofSchedule, tuned)).toMatchObject({ ...tuned, steps: 2 });
    expect(chooseSampler({ sampler: 'heun' }, ofSchedule, tuned)).toMatchObject({
      ...{ sampler: 'heun', steps: 25, spacing: 'uniform-log-snr' },
    });
  });

  test.each([
    ['a schedule', ofSchedule],
    ['EDM', ofEdm],
    ['a flow', ofFlow],
  ])('every other level of 2n trailing steps is one of n, from the noisiest to the image: %s', (_, known) => {
    const [four, two, one] = [4, 2, 1].map((steps) => spacings.trailing(known, steps));
    expect(two).toEqual([four[0], four[2], four[4]]);
    expect(one[0].sigma).toBeCloseTo(known.noisiest.sigma, 9);
    expect(one.slice(1)).toEqual([clean]);
    expect(four.every(({ sigma }, i) => i === 0 || sigma < four[i - 1].sigma)).toBe(true);
  });

  test('the consistency sampler is the image that the network says, noised to the next level', async () => {
    const sampler = samplerFor({ sampler: 'lcm', steps: 2, spacing: 'trailing' }, edmLevels({ max: 0.1 }));
    const says: Denoise = () => Promise.resolve({ x0: tf.fill([1, 1, 1, 1], 0.25) });
    expect((await sample(says, tf.ones([1, 1, 1, 1]), { sampler, rng: new Random(1) })).dataSync()[0]).toBe(0.25);
  });
});
