import { Random } from '@ddpm/random';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { epsilon, noiseLevel, pLosses, pLossesPerImage, qSample, velocity, xStart } from './index';
import type { LossName, Network } from './index';

const rng = new Random(3);
const image = (...shape: [number, number, number, number]) => tf.tensor4d(rng.normals(tf.util.sizeFromShape(shape)), shape);
const numbers = (x: tf.Tensor) => [...x.dataSync()];

/** Runs the body within a tidy, and asserts that each traced call leaves only its result. */
function leavesOnlyItsResult<T extends tf.Tensor>(make: () => T): T {
  const before = tf.memory().numTensors;
  const result = make();
  expect(tf.memory().numTensors).toBe(before + 1);
  return result;
}

test('q_sample mixes image and noise by the share of each image’s t', () => {
  const schedule = linearSchedule({ timesteps: 50 });
  const [x0, noise] = [image(3, 2, 2, 1), image(3, 2, 2, 1)];
  const ts = [0, 20, 49];
  const t = tf.tensor1d(ts, 'int32');
  const xt = numbers(leavesOnlyItsResult(() => qSample(schedule, x0, t, noise)));
  const [a, e] = [numbers(x0), numbers(noise)];
  xt.forEach((value, i) => {
    const alphaBar = schedule.alphasCumprod[ts[Math.floor(i / 4)]];
    expect(value).toBeCloseTo(Math.sqrt(alphaBar) * a[i] + Math.sqrt(1 - alphaBar) * e[i], 5);
  });
});

describe.each([
  ['epsilon', epsilon],
  ['xStart', xStart],
  ['velocity', velocity],
])('the %s objective', (_, objective) => {
  test('reads x_0 back from its own target', () => {
    const schedule = cosineSchedule({ timesteps: 100 });
    const [x0, noise] = [image(4, 3, 3, 2), image(4, 3, 3, 2)];
    const t = tf.tensor1d([0, 10, 50, 80], 'int32');
    const level = noiseLevel(schedule, t);
    const xt = qSample(schedule, x0, t, noise);
    const target = objective.target(level, x0, noise);
    const predicted = leavesOnlyItsResult(() => objective.predictXStart(level, xt, target));
    // ε's error grows by 1/√ᾱ, which is 4 at t = 80.
    numbers(tf.sub(predicted, x0)).forEach((difference) => expect(Math.abs(difference)).toBeLessThan(1e-5));
  });
});

describe('p_losses', () => {
  const schedule = linearSchedule({ timesteps: 10 });
  const zero: Network = { apply: (xt) => tf.zerosLike(xt) };
  const t = tf.tensor1d([1, 5], 'int32');
  const x0 = tf.zeros<tf.Rank.R4>([2, 1, 2, 1]);
  const noise = tf.tensor4d([0.5, -1, 2, -3], [2, 1, 2, 1]);

  test.each<[LossName, number[]]>([
    ['l1', [0.75, 2.5]],
    ['l2', [0.625, 6.5]],
    ['huber', [(0.125 + 0.5) / 2, (1.5 + 2.5) / 2]],
  ])('%s of each image and of the batch', (loss, expected) => {
    const perImage = leavesOnlyItsResult(() => pLossesPerImage(schedule, zero, x0, t, noise, { loss }));
    expect(numbers(perImage)).toEqual(expected);
    expect(numbers(pLosses(schedule, zero, x0, t, noise, { loss }))).toEqual([(expected[0] + expected[1]) / 2]);
  });

  test('the derivative of huber is the error, clipped to ±1', () => {
    const gradient = tf.grad((output) => pLosses(schedule, { apply: () => output as tf.Tensor4D }, x0, t, noise, { loss: 'huber' }))(
      tf.zerosLike(noise),
    );
    expect(numbers(gradient).map((g) => g * 4)).toEqual([-0.5, 1, -1, 1]);
  });

  test('predicting nothing of pure noise scores huber 0.424 and l2 1', () => {
    const x = tf.zeros<tf.Rank.R4>([100, 10, 10, 1]);
    const ts = tf.zeros<tf.Rank.R1>([100], 'int32');
    const score = (loss: LossName) => pLosses(schedule, zero, x, ts, image(100, 10, 10, 1), { loss }).dataSync()[0];
    expect(score('huber')).toBeCloseTo(0.424, 1);
    expect(score('l2')).toBeCloseTo(1, 1);
  });

  test('names a loss that does not exist, and a network whose output does not fit', () => {
    const wrongLoss = () => pLosses(schedule, zero, x0, t, noise, { loss: 'mse' as LossName });
    expect(wrongLoss).toThrow("pLosses: the loss must be one of l1, l2, huber, got 'mse'");
    const wrongShape = () => pLosses(schedule, { apply: (xt) => tf.concat([xt, xt], 3) }, x0, t, noise);
    expect(wrongShape).toThrow("pLosses: the network's output should have the shape of its input, [2, 1, 2, 1], not [2, 1, 2, 2]");
  });
});
