import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { bestDenoise, errorAfter, quantiles, wasserstein } from '../../test/mixture.mjs';
import type { Level, Sampler } from '../index';
import * as library from '../index';
import {
  ancestral,
  clean,
  ddim,
  ddimInversion,
  deis,
  dpmSolver,
  dpmSolverSinglestep,
  edmScale,
  euler,
  eulerAncestral,
  exponential,
  flowScale,
  heun,
  karras,
  kdpm2,
  lcm,
  leading,
  levelAt,
  linspace,
  pndm,
  sample,
  scheduleScale,
  trailing,
  uniformLogSnr,
  uniPc,
} from '../index';

const schedule = linearSchedule();
const scale = scheduleScale(schedule);
const logSnr = (steps: number) => uniformLogSnr(scale, steps);
const even = (steps: number) => trailing(schedule, steps);
const column = (values: ArrayLike<number>) => tf.tensor4d(Array.from(values), [values.length, 1, 1, 1]);
const drawsNothing = {
  normals: () => {
    throw new Error('drew noise');
  },
};

/**
 * Samples from x_T at the first level's quantiles, so that chance has no part in those of a sampler that draws nothing.
 */
const images = async (sampler: Sampler, rng: Random | typeof drawsNothing = drawsNothing, n = 100) =>
  (await sample(bestDenoise, column(quantiles(sampler.levels[0], n)), { sampler, rng })).dataSync();

describe('samples of a mixture of Gaussians, with the best network: Wasserstein-1 from it, at 5, 10, 20 and 50 evaluations', () => {
  // `node docs/oracle.mjs` measures all of them with every spacing; what it found is the bound, with 3 % for 100 instead of
  // 1000 images.
  const counts = [5, 10, 20, 50];
  const half = (n: number) => Math.floor((n + 1) / 2);
  test.each<[string, (evaluations: number) => Sampler, number[]]>([
    ['ddim', (n) => ddim(even(n)), [0.216, 0.106, 0.047, 0.023]],
    ['ddim, leading', (n) => ddim(leading(schedule, n)), [0.212, 0.105, 0.044, 0.02]],
    ['euler', (n) => euler(logSnr(n)), [0.159, 0.084, 0.042, 0.017]],
    ['dpmSolver of order 2', (n) => dpmSolver(logSnr(n)), [0.077, 0.025, 0.006, 0.001]],
    ['dpmSolver of order 2, exponential', (n) => dpmSolver(exponential(scale, n)), [0.122, 0.033, 0.007, 0.001]],
    ['dpmSolver of order 2, trailing', (n) => dpmSolver(even(n)), [0.209, 0.091, 0.027, 0.018]],
    // The last step to t = 0 is a long one.
    ['dpmSolver of order 2, leading', (n) => dpmSolver(leading(schedule, n)), [0.204, 0.089, 0.025, 0.014]],
    ['dpmSolver of order 3', (n) => dpmSolver(logSnr(n), { order: 3 }), [0.066, 0.053, 0.004, 0.001]],
    ['dpmSolverSinglestep', (n) => dpmSolverSinglestep(logSnr(n)), [0.134, 0.061, 0.018, 0.004]],
    ['uniPc of order 2', (n) => uniPc(logSnr(n)), [0.072, 0.023, 0.003, 0.001]],
    ['uniPc of order 3', (n) => uniPc(logSnr(n), { order: 3 }), [0.064, 0.044, 0.003, 0.001]],
    ['uniPc of order 3, linspace', (n) => uniPc(linspace(schedule, n), { order: 3 }), [0.247, 0.098, 0.029, 0.011]],
    ['deis of order 2', (n) => deis(logSnr(n)), [0.097, 0.03, 0.009, 0.002]],
    ['deis of order 3', (n) => deis(logSnr(n), { order: 3 }), [0.093, 0.016, 0.003, 0.001]],
    ['pndm', (n) => pndm(leading(schedule, n - 1)), [0.135, 0.077, 0.027, 0.004]],
    ['heun', (n) => heun(even(half(n))), [0.276, 0.171, 0.07, 0.024]],
    ['kdpm2', (n) => kdpm2(logSnr(half(n)), scale), [0.174, 0.099, 0.021, 0.003]],
  ])('%s', async (_, sampler, bounds) => {
    const distances = [];
    for (const count of counts) {
      expect(sampler(count).levels.length - 1).toBeLessThanOrEqual(count);
      distances.push(wasserstein(await images(sampler(count))));
    }
    distances.forEach((distance, i) => expect(distance).toBeLessThan(1.03 * bounds[i] + 0.001));
  });

  // 1000 draws of the mixture itself are 0.01 to 0.04 from it.
  test.each<[string, (evaluations: number) => Sampler, number[]]>([
    ['ancestral', (n) => ancestral(even(n)), [0.226, 0.135, 0.075, 0.042]],
    ['ancestral of the upper variance', (n) => ancestral(even(n), { variance: 'upper' }), [0.164, 0.074, 0.028, 0.012]],
    ['eulerAncestral', (n) => eulerAncestral(logSnr(n)), [0.197, 0.134, 0.073, 0.035]],
    ['dpmSolver, η = 1', (n) => dpmSolver(logSnr(n), { eta: 1 }), [0.096, 0.049, 0.014, 0.003]],
    ['heun, churned', (n) => heun(even(half(n)), { churn: { amount: 5, scale } }), [0.4, 0.25, 0.12, 0.03]],
    ['kdpm2, η = 1', (n) => kdpm2(even(half(n)), scale, { eta: 1 }), [0.4, 0.25, 0.12, 0.03]],
  ])('%s', async (_, sampler, bounds) => {
    const distances = [];
    for (const count of counts) distances.push(wasserstein(await images(sampler(count), new Random(1), 1000)));
    distances.forEach((distance, i) => expect(distance).toBeLessThan(bounds[i] + 0.02));
  });

  test('lcm that mixes in nothing of x can visit t = 0', async () => {
    const far = wasserstein(await images(lcm(leading(schedule, 4), { sigmaData: 0 }), new Random(1)));
    expect(far).toBeLessThan(0.3);
  });
});

describe('the error falls with the step to the power of the order', () => {
  test.each<[string, (levels: readonly Level[]) => Sampler, number, number]>([
    ['ddim', ddim, 1, 0.1],
    ['euler', euler, 1, 0.1],
    ['dpmSolver of order 1', (levels) => dpmSolver(levels, { order: 1 }), 1, 0.1],
    ['dpmSolver of order 2', dpmSolver, 2, 0.1],
    ["dpmSolver of order 2, 'heun'", (levels) => dpmSolver(levels, { solver: 'heun' }), 2, 0.1],
    ['dpmSolver of order 3', (levels) => dpmSolver(levels, { order: 3 }), 3, 0.15],
    ["dpmSolver of order 3, 'half'", (levels) => dpmSolver(levels, { order: 3, curvature: 'half' }), 2.4, 0.2],
    ['dpmSolverSinglestep', dpmSolverSinglestep, 2, 0.15],
    ['deis of order 1', (levels) => deis(levels, { order: 1 }), 1, 0.1],
    ['deis of order 2', deis, 2, 0.15],
    ['deis of order 3', (levels) => deis(levels, { order: 3 }), 3, 0.2],
    // The corrector adds one.
    ['uniPc of order 1', (levels) => uniPc(levels, { order: 1 }), 2, 0.1],
    ['uniPc of order 2', uniPc, 3, 0.15],
    ["uniPc of order 2, 'bh1'", (levels) => uniPc(levels, { solver: 'bh1' }), 3, 0.15],
    ['uniPc of order 3', (levels) => uniPc(levels, { order: 3 }), 3.6, 0.4],
    ['heun', heun, 2, 0.1],
    ['kdpm2', (levels) => kdpm2(levels, scale), 2, 0.1],
    // It begins with order 2.
    ['pndm', pndm, 2.2, 0.3],
  ])('%s', async (_, of, order, within) => {
    const [coarse, fine] = [await errorAfter(library, scale, of, 40), await errorAfter(library, scale, of, 80)];
    expect(Math.abs(Math.log2(coarse / fine) - order)).toBeLessThan(within);
  });
});

describe('identities', () => {
  const levels = logSnr(8);
  test.each<[string, Sampler]>([
    ['dpmSolver of order 1', dpmSolver(levels, { order: 1 })],
    ['deis of order 1', deis(levels, { order: 1 })],
    ['euler', euler(levels)],
  ])('%s is ddim', async (_, sampler) => {
    const expected = await images(ddim(levels), drawsNothing, 20);
    (await images(sampler, drawsNothing, 20)).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 4));
  });

  test.each<[string, Sampler, Sampler]>([
    ['ancestral is ddim with η = 1', ancestral(levels), ddim(levels, { eta: 1 })],
    ['ancestral is dpmSolver of order 1 with η = 1', ancestral(levels), dpmSolver(levels, { order: 1, eta: 1 })],
    ['lcm of noise alone is x̂_0 there', lcm(logSnr(1)), ddim(logSnr(1))],
    ['churn of nothing is no churn', heun(levels), heun(levels, { churn: { amount: 0, scale } })],
  ])('%s', async (_, a, b) => {
    const expected = await images(a, new Random(3), 20);
    (await images(b, new Random(3), 20)).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 4));
  });

  test('the kind of level does not matter: x/signal goes the same way', async () => {
    const ratios = [20, 5, 1, 0.2];
    const ways = [scale, edmScale(), flowScale()].map((kind) => [...ratios.map((ratio) => kind.at(ratio)), clean]);
    for (const make of [
      ddim,
      dpmSolver,
      uniPc,
      deis,
      heun,
      (some: readonly Level[]) => dpmSolver(some, { order: 3 }),
    ]) {
      const [expected, ...others] = await Promise.all(ways.map((way) => images(make(way), drawsNothing, 10)));
      for (const other of others) other.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 4));
    }
  });

  const noise: Level = { signal: 0, sigma: 1, time: 999 };
  const ways: readonly [string, (levels: readonly Level[]) => Sampler][] = [
    ['ancestral', ancestral],
    ['ddim', ddim],
    ['dpmSolver of order 2', dpmSolver],
    ['dpmSolver of order 3', (some) => dpmSolver(some, { order: 3 })],
    ['dpmSolver with η', (some) => dpmSolver(some, { eta: 1 })],
    ['uniPc of order 2', uniPc],
    ['uniPc of order 3', (some) => uniPc(some, { order: 3 })],
    ['deis of order 2', deis],
    ['deis of order 3', (some) => deis(some, { order: 3 })],
    ['dpmSolverSinglestep', dpmSolverSinglestep],
    ['euler', euler],
    ['euler with churn', (some) => euler(some, { churn: { amount: 2, scale } })],
    ['heun', heun],
    ['heun with churn', (some) => heun(some, { churn: { amount: 2, scale } })],
    ['pndm', pndm],
    ['kdpm2', (some) => kdpm2(some, scale)],
    ['kdpm2 with η', (some) => kdpm2(some, scale, { eta: 1 })],
  ];

  test.each(ways)('%s can begin with noise alone', async (_, make) => {
    const from = [noise, ...logSnr(40)];
    expect(wasserstein(await images(make(from), new Random(1), 200))).toBeLessThan(0.08);
    // To the image in one step, whatever the method: x̂_0 of the noise.
    const x0 = await images(make([noise, clean]), drawsNothing, 5);
    x0.forEach((value) => expect(value).toBeCloseTo(x0[0], 6));
  });

  test.each(ways.slice(2))(
    'the first step of %s from noise alone is signal·x̂_0 + sigma·x, and the others are its own',
    async (_, make) => {
      const levels = logSnr(8);
      const sampler = make([noise, ...levels]);
      const [x, x0] = [column([0.3, -2]), column([0.5, 0.7])];
      const first = sampler.levels[1];
      const stepped = sampler.step(0, [{ x, x0, level: noise }], drawsNothing);
      stepped.dataSync().forEach((value, i) => {
        expect(value).toBeCloseTo(first.signal * x0.dataSync()[i] + first.sigma * x.dataSync()[i], 6);
      });
      const rest = make(levels);
      expect(sampler.levels.slice(1)).toEqual(rest.levels);
      const whole: number[] = [];
      const after = await sample(bestDenoise, x, { sampler, rng: new Random(2) });
      const xAfter = ddim([noise, first]).step(
        0,
        [{ ...(await bestDenoise(x, noise)), x, level: noise }],
        drawsNothing,
      );
      const expected = await sample(bestDenoise, xAfter, { sampler: rest, rng: new Random(2) });
      whole.push(...after.dataSync());
      expect(whole).toEqual([...expected.dataSync()]);
    },
  );

  test('noise alone can stand at the beginning only', () => {
    expect(() => heun([levels[0], noise, clean])).toThrow(
      'fromNoise: every level but the first needs a signal above 0, got 0 at level 1',
    );
  });
});

describe('churn', () => {
  const levels = karras(edmScale(), 10);
  const churn = { amount: 3, scale: edmScale(), min: 0.05, max: 50, noise: 1 };

  test('raises σ by 1 + amount/steps, where it lies within the bounds, and √2 at most', () => {
    const { levels: visited } = euler(levels, { churn });
    visited.forEach(({ sigma }, i) => {
      const within = levels[i].sigma >= 0.05 && levels[i].sigma <= 50;
      expect(sigma).toBeCloseTo(levels[i].sigma * (within ? 1.3 : 1), 9);
    });
    expect(euler(levels, { churn: { ...churn, amount: 1000 } }).levels[4].sigma).toBeCloseTo(
      levels[4].sigma * Math.SQRT2,
      9,
    );
  });

  test('adds √(σ̂² − σ²) of the noise after the step', () => {
    const [x, x0] = [column([30]), column([0.5])];
    const [from, to] = [levels[2], levels[3]];
    const slope = (30 - 0.5) / (from.sigma * 1.3);
    const next = euler(levels, { churn }).step(2, [{ x, x0, level: { ...from, sigma: from.sigma * 1.3 } }], {
      normals: () => Float32Array.of(2),
    });
    expect(next.dataSync()[0]).toBeCloseTo(
      30 + (to.sigma - from.sigma * 1.3) * slope + 2 * to.sigma * Math.sqrt(1.3 ** 2 - 1),
      3,
    );
  });
});

test('ancestral of the upper variance adds √β_t z', () => {
  const [x, x0] = [column([0.4]), column([0.1])];
  for (const t of [1, 500, 999]) {
    const [level, next] = [levelAt(schedule, t), levelAt(schedule, t - 1)];
    const at = (z: number) =>
      ancestral([level, next], { variance: 'upper' })
        .step(0, [{ x, x0, level }], { normals: () => Float32Array.of(z) })
        .dataSync()[0];
    expect(at(1) - at(0)).toBeCloseTo(Math.sqrt(schedule.betas[t]), 6);
  }
});

describe('ddimInversion', () => {
  /** How far ddim leads from the images, after they were led to noise. */
  const roundTrip = async (levels: readonly Level[]) => {
    const start = quantiles(clean, 50);
    const noise = await sample(bestDenoise, column(start), { sampler: ddimInversion(levels), rng: drawsNothing });
    const back = (await sample(bestDenoise, noise, { sampler: ddim(levels), rng: drawsNothing })).dataSync();
    return { noise: noise.dataSync(), error: start.reduce((sum, value, i) => sum + Math.abs(value - back[i]), 0) / 50 };
  };

  test('and ddim lead back to the image, more nearly with more levels', async () => {
    const [few, more, many] = [await roundTrip(logSnr(20)), await roundTrip(logSnr(80)), await roundTrip(logSnr(320))];
    expect(more.error).toBeLessThan(few.error / 3);
    expect(many.error).toBeLessThan(more.error / 3);
    expect(many.error).toBeLessThan(0.005);
  });

  test('makes noise of images', async () => {
    const { noise } = await roundTrip(logSnr(320));
    const exact = quantiles(logSnr(2)[0], 50);
    noise.forEach((value, i) => expect(Math.abs(value - exact[i])).toBeLessThan(0.05));
  });

  test('of levels without the image begins at the first of them', () => {
    const levels = [levelAt(schedule, 999), levelAt(schedule, 500), levelAt(schedule, 0)];
    expect(ddimInversion(levels).levels.map(({ time }) => time)).toEqual([0, 500, 999]);
    expect(ddimInversion([...levels, clean]).levels.map(({ time }) => time)).toEqual([0, 0, 500, 999]);
  });
});

describe('sample from a later level', () => {
  test('goes the rest of the way', async () => {
    const sampler = ddim(logSnr(12));
    const seen: number[] = [];
    let half: tf.Tensor4D | undefined;
    const xT = column([-1, 0.3, 2]);
    const whole = await sample(bestDenoise, xT, {
      sampler,
      rng: drawsNothing,
      onStep: ({ index, x }) => void (index === 4 && (half = tf.clone(x))),
    });
    const before = tf.memory().numTensors;
    const rest = await sample(bestDenoise, half!, {
      sampler,
      rng: drawsNothing,
      from: 5,
      onStep: ({ index }) => void seen.push(index),
    });
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(seen).toEqual([5, 6, 7, 8, 9, 10, 11]);
    expect(rest.dataSync()).toEqual(whole.dataSync());
  });

  test('begins every method that looks back at a lower order, but none in the middle of a step', async () => {
    for (const make of [
      dpmSolver,
      uniPc,
      deis,
      pndm,
      dpmSolverSinglestep,
      heun,
      (levels: readonly Level[]) => kdpm2(levels, scale),
    ]) {
      const sampler = make(even(30));
      const from = sampler.levels.length > 40 ? 20 : 10;
      const xT = column(quantiles(sampler.levels[from], 50));
      expect(
        wasserstein((await sample(bestDenoise, xT, { sampler, rng: drawsNothing, from })).dataSync()),
      ).toBeLessThan(0.06);
    }
    const xT = column([1]);
    for (const [name, sampler] of [
      ['heun', heun(even(5))],
      ['kdpm2', kdpm2(even(5), scale)],
      ['pndm', pndm(even(5))],
      ['dpmSolverSinglestep', dpmSolverSinglestep(even(5))],
    ] as const)
      await expect(sample(bestDenoise, xT, { sampler, rng: drawsNothing, from: 1 })).rejects.toThrow(
        `${name}: sampling cannot begin at the level of t = ${sampler.levels[1].time}, which is in the middle of a step`,
      );
  });

  test('refuses a level that no step begins at', async () => {
    const sampler = ddim(even(5));
    for (const from of [-1, 5, 1.5])
      await expect(sample(bestDenoise, column([1]), { sampler, rng: drawsNothing, from })).rejects.toThrow(
        `sample: from must be a whole number from 0 to 4, where the last step begins; got ${from}`,
      );
  });
});

test('every sampler leaves only its result behind', async () => {
  const levels = even(6);
  const samplers = [
    dpmSolver(levels, { order: 3, eta: 1 }),
    dpmSolverSinglestep(levels),
    uniPc(levels, { order: 3 }),
    deis(levels, { order: 3 }),
    pndm(levels),
    heun(levels, { churn: { amount: 5, scale } }),
    euler(levels, { churn: { amount: 5, scale } }),
    kdpm2(levels, scale, { eta: 1 }),
    lcm(levels),
    ddimInversion(levels),
  ];
  for (const sampler of samplers) {
    const xT = column([1, -1]);
    const before = tf.memory().numTensors;
    await sample(bestDenoise, xT, { sampler, rng: new Random(1) });
    expect(tf.memory().numTensors).toBe(before + 1);
  }
});

test('an order that is not there is refused', () => {
  for (const order of [0, 4, 1.5])
    for (const [name, make] of Object.entries({ dpmSolver, uniPc, deis }))
      expect(() => make(even(5), { order })).toThrow(`${name}: order must be a whole number from 1 to 3, got ${order}`);
});
