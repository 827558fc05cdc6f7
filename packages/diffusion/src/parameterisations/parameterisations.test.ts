import { Random } from '@ddpm/random';
import { cosineSchedule, velocityCosineSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Level, Network } from '../index';
import {
  checkLevel,
  denoiser,
  denoising,
  edm,
  edmAt,
  epsilon,
  flow,
  flowAt,
  image,
  levelAt,
  qSample,
  sigmaDataOf,
  stack,
  uniform,
  velocity,
} from '../index';

const rng = new Random(3);
const images = (n: number, deviation = 1) =>
  tf.tensor4d(
    rng.normals(n * 18).map((z) => z * deviation),
    [n, 3, 3, 2],
  );
const numbers = (x: tf.Tensor) => [...x.dataSync()];
const several = (make: () => Level) => Array.from({ length: 6 }, make);

/** Levels at random, of every kind. */
const kinds: [string, Level[]][] = [
  ['a schedule’s levels', several(() => levelAt(cosineSchedule({ timesteps: 100 }), rng.integer(95)))],
  ['EDM’s levels', several(() => edmAt(Math.exp(1.2 * rng.normal() - 1.2)))],
  ['a flow’s levels', several(() => flowAt(0.05 + 0.9 * rng.uniform()))],
  ['levels of no kind', several(() => ({ signal: 0.1 + rng.uniform(), sigma: 0.1 + 3 * rng.uniform(), time: 0 }))],
];

describe.each([epsilon, image, velocity, flow, edm({ sigmaData: 0.3 })])(
  'the $name parameterisation',
  (parameterisation) => {
    describe.each(kinds)('at %s', (_, list) => {
      const levels = stack(list);
      const [x0, noise] = [images(list.length), images(list.length)];
      const x = qSample(levels, x0, noise);
      const row = (values: tf.Tensor) => tf.mean<tf.Tensor1D>(values, [1, 2, 3]).dataSync();

      test('reads x_0 back from its own target', () => {
        const before = tf.memory().numTensors;
        const target = parameterisation.target(levels, x0, noise);
        const own = target === noise || target === x0 ? 0 : 1;
        const predicted = parameterisation.predict(levels, x, target).x0;
        expect(tf.memory().numTensors).toBe(before + own + 1);
        // Rounding of x and the output becomes an error of x̂_0 as errorScale says.
        row(tf.abs(tf.sub(predicted, x0))).forEach((difference, i) => {
          const { signal, sigma } = list[i];
          expect(difference).toBeLessThan(1e-6 * (1 + (1 + sigma) / signal));
        });
      });

      test('errorScale is how many times larger an error of the output is than that of x̂_0, squared', () => {
        const target = parameterisation.target(levels, x0, noise);
        const off = parameterisation.predict(levels, x, tf.add<tf.Tensor4D>(target, 0.1)).x0;
        // For v the target moves with x_0 too: an error of x̂_0 alone, at a fixed x.
        row(tf.square(tf.sub(off, x0))).forEach((error, i) =>
          expect(0.01 / error / parameterisation.errorScale(list[i])).toBeCloseTo(1, 3),
        );
      });
    });
  },
);

describe('edm', () => {
  const sigmaData = 0.3;
  const parameterisation = edm({ sigmaData });

  test('is table 1 of Karras et al. 2022', () => {
    const sigma = 0.7;
    const levels = stack([edmAt(sigma)]);
    const [x, output] = [images(1), images(1)];
    const sum = sigma ** 2 + sigmaData ** 2;
    const [a, f] = [numbers(x), numbers(output)];
    numbers(parameterisation.input!(levels, x)).forEach((value, i) =>
      expect(value).toBeCloseTo(a[i] / Math.sqrt(sum), 5),
    );
    numbers(parameterisation.predict(levels, x, output).x0).forEach((value, i) =>
      expect(value).toBeCloseTo((sigmaData ** 2 / sum) * a[i] + ((sigma * sigmaData) / Math.sqrt(sum)) * f[i], 5),
    );
    expect(numbers(parameterisation.told!(levels))[0]).toBeCloseTo(Math.log(sigma) / 4, 6);
  });

  test('keeps the variance of the input and the target at 1, from almost no noise to almost nothing else', () => {
    for (const sigma of [0.002, 0.1, 1, 80]) {
      const levels = stack(Array.from({ length: 200 }, () => edmAt(sigma)));
      const [x0, noise] = [images(200, sigmaData), images(200)];
      const target = parameterisation.target(levels, x0, noise);
      // 3,600 numbers: the deviation of their variance is 0.024.
      for (const made of [parameterisation.input!(levels, qSample(levels, x0, noise)), target])
        expect(Math.abs(numbers(tf.moments(made).variance)[0] - 1)).toBeLessThan(0.1);
    }
  });

  test('takes a level with another signal for that of x/signal at sigma/signal', () => {
    const level = { signal: 0.4, sigma: 0.6, time: 5 };
    const [x, output] = [images(1), images(1)];
    const [scaled, edms] = [tf.div<tf.Tensor4D>(x, level.signal), stack([edmAt(1.5)])];
    const levels = stack([level]);
    const pairs = [
      [parameterisation.input!(levels, x), parameterisation.input!(edms, scaled)],
      [parameterisation.told!(levels), parameterisation.told!(edms)],
      [parameterisation.predict(levels, x, output).x0, parameterisation.predict(edms, scaled, output).x0],
    ];
    for (const [here, there] of pairs)
      numbers(here).forEach((value, i) => expect(value).toBeCloseTo(numbers(there)[i], 5));
  });

  test('refuses a deviation that is none', () =>
    expect(() => edm({ sigmaData: 0 })).toThrow('edm: sigmaData must be a number above 0, got 0'));
});

test('flow’s target is dx/dt of its line', () => {
  const [x0, noise] = [images(1), images(1)];
  const at = (t: number) => qSample(stack([flowAt(t)]), x0, noise);
  const slope = numbers(tf.div(tf.sub(at(0.75), at(0.25)), 0.5));
  numbers(flow.target(stack([flowAt(0.5)]), x0, noise)).forEach((value, i) => expect(value).toBeCloseTo(slope[i], 5));
});

test('levels of EDM and of a flow, and what is none', () => {
  expect(edmAt(2)).toEqual({ signal: 1, sigma: 2, time: 2 });
  expect(flowAt(0.25)).toEqual({ signal: 0.75, sigma: 0.25, time: 250 });
  expect(() => edmAt(0)).toThrow('edmAt: sigma must be a number above 0, got 0');
  expect(() => flowAt(1.5)).toThrow('flowAt: t must be from 0 to 1, got 1.5');
});

describe('where nothing of the image is left', () => {
  const schedule = velocityCosineSchedule({ timesteps: 2 });
  const nothing = levelAt(schedule, 1);
  const network: Network = { apply: (x) => tf.mul(x, 0.5) };
  const x = images(2);

  test.each([velocity, flow, image])('$name still says what x_0 is', async (parameterisation) => {
    const { x0 } = await denoiser(network, { parameterisation })(x, nothing);
    const [known, noise] = [images(2), images(2)];
    const levels = stack([nothing, nothing]);
    const back = parameterisation.predict(
      levels,
      qSample(levels, known, noise),
      parameterisation.target(levels, known, noise),
    ).x0;
    expect(numbers(x0).every(Number.isFinite)).toBe(true);
    numbers(tf.sub(back, known)).forEach((difference) => expect(Math.abs(difference)).toBeLessThan(1e-6));
  });

  test.each([epsilon, edm()])('$name is refused, in sampling and in training', async (parameterisation) => {
    const message = `'${parameterisation.name}' says nothing of the image at a level without signal, and got the one at time 1; 'velocity' and 'image' do`;
    await expect(denoiser(network, { parameterisation })(x, nothing)).rejects.toThrow(`denoiser: ${message}`);
    const task = denoising({ network, parameters: new Map(), levels: uniform(schedule), parameterisation });
    const examples = { image: { data: new Float32Array(20), item: [1, 1, 1] } };
    expect(() => task.draw(examples, new Random(1))).toThrow(`denoising: ${message}`);
    expect(() => checkLevel('here', parameterisation, levelAt(schedule, 0))).not.toThrow();
  });
});

describe('sigmaDataOf', () => {
  test('is the standard deviation of all values of all batches, about their mean', async () => {
    const batch = (...data: number[]) => ({ image: { data: Float32Array.from(data), item: [1, 1, 1] } });
    expect(await sigmaDataOf([batch(-1, 0), batch(0.5), batch(0.5)])).toBeCloseTo(
      Math.sqrt((1 + 0 + 0.25 + 0.25) / 4),
      12,
    );
    expect(await sigmaDataOf([batch(1, 0.5, 1, 0.5)])).toBeCloseTo(0.25, 12);
    await expect(sigmaDataOf([batch(1, 1)])).rejects.toThrow(
      'sigmaDataOf: the images must differ; the deviation of 2 values is 0',
    );
    await expect(sigmaDataOf([])).rejects.toThrow(
      'sigmaDataOf: the images must differ; the deviation of 0 values is NaN',
    );
    await expect(sigmaDataOf([{ label: { data: Int32Array.of(1), item: [] } }])).rejects.toThrow(
      "sigmaDataOf: the examples need an 'image'",
    );
  });
});
