import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { eagerGradients } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { LevelSource, Network } from './index';
import {
  denoising,
  epsilon,
  huber,
  image,
  l2,
  levelAt,
  qSample,
  stack,
  trailingTimesteps,
  uniform,
  velocity,
} from './index';

const rng = new Random(3);
const images = (...shape: [number, number, number, number]) =>
  tf.tensor4d(rng.normals(tf.util.sizeFromShape(shape)), shape);
const numbers = (x: tf.Tensor) => [...x.dataSync()];

/** Runs the body, and asserts that it leaves only its result. */
function leavesOnlyItsResult<T extends tf.Tensor>(make: () => T): T {
  const before = tf.memory().numTensors;
  const result = make();
  expect(tf.memory().numTensors).toBe(before + 1);
  return result;
}

test('a level of a schedule is √ᾱ_t and √(1 − ᾱ_t)', () => {
  const schedule = linearSchedule({ timesteps: 50 });
  const level = levelAt(schedule, 20);
  expect(level.time).toBe(20);
  expect(level.signal ** 2).toBeCloseTo(schedule.alphasCumprod[20], 12);
  expect(level.signal ** 2 + level.sigma ** 2).toBeCloseTo(1, 12);
  expect(() => levelAt(schedule, 50)).toThrow('levelAt: t must be a number from 0 to 49, got 50');
});

test('trailing timesteps begin at T − 1, in even strides', () => {
  expect(trailingTimesteps(200, 4)).toEqual([199, 149, 99, 49]);
  expect(trailingTimesteps(5)).toEqual([4, 3, 2, 1, 0]);
  expect(trailingTimesteps(10, 3)).toEqual([9, 6, 2]);
  expect(() => trailingTimesteps(10, 11)).toThrow(
    "trailing: steps must be a whole number from 1 to 10, the schedule's timesteps; got 11",
  );
});

test('q_sample mixes image and noise by the level of each image', () => {
  const schedule = linearSchedule({ timesteps: 50 });
  const [x0, noise] = [images(3, 2, 2, 1), images(3, 2, 2, 1)];
  const ts = [0, 20, 49];
  const levels = stack(ts.map((t) => levelAt(schedule, t)));
  const xt = numbers(leavesOnlyItsResult(() => qSample(levels, x0, noise)));
  const [a, e] = [numbers(x0), numbers(noise)];
  xt.forEach((value, i) => {
    const alphaBar = schedule.alphasCumprod[ts[Math.floor(i / 4)]];
    expect(value).toBeCloseTo(Math.sqrt(alphaBar) * a[i] + Math.sqrt(1 - alphaBar) * e[i], 5);
  });
});

describe('denoising', () => {
  const schedule = linearSchedule({ timesteps: 10 });
  const zero: Network = { apply: (x) => tf.zerosLike(x) };
  const parameters = new Map([['a', tf.variable(tf.scalar(0.1))]]);
  const examples = (n: number, item = [2, 2, 1]) => ({
    image: { data: rng.normals(n * tf.util.sizeFromShape(item)), item },
  });
  const lossOf = (task: ReturnType<typeof denoising>, batch = task.draw(examples(3), new Random(1))) =>
    eagerGradients(task)(new Map([['a', Float32Array.of(0.1)]]), batch);

  test('predicting nothing of pure noise scores huber 0.424 and l2 1', async () => {
    for (const [loss, expected] of [
      [huber, 0.424],
      [l2, 1],
    ] as const) {
      const task = denoising({
        network: { apply: (x) => tf.mul(tf.zerosLike(x), parameters.get('a')!) },
        parameters,
        levels: uniform(schedule),
        loss,
      });
      const batch = task.draw(examples(100, [10, 10, 1]), new Random(1));
      // The deviation of the mean of 10,000 is 0.014 for l2, and less for huber.
      expect(Math.abs((await lossOf(task, batch)).loss - expected)).toBeLessThan(0.02);
    }
  });

  test('draws levels and noise by the generator alone', () => {
    const task = denoising({ network: zero, parameters, levels: uniform(schedule) });
    const data = examples(3);
    expect(task.draw(data, new Random(5))).toEqual(task.draw(data, new Random(5)));
    expect(task.draw(data, new Random(5)).noise).not.toEqual(task.draw(data, new Random(6)).noise);
    expect(Object.keys(task.draw(data, new Random(5)))).toEqual([
      'image',
      'noise',
      'signal',
      'sigma',
      'time',
      'weight',
    ]);
  });

  test('weighs the loss of each image by its level, and records it without weights too', async () => {
    const task = denoising({
      network: { apply: (x) => tf.mul(x, parameters.get('a')!) },
      parameters,
      levels: uniform(schedule),
      weighting: ({ time }) => time + 1,
    });
    const batch = task.draw(examples(3), new Random(1));
    const { losses } = await lossOf(task, batch);
    losses
      .get('loss')!
      .forEach((loss, i) => expect(loss).toBeCloseTo(losses.get('simple')![i] * (batch.time.data[i] + 1), 5));
  });

  test('trains towards the target of the parameterisation: zero loss for a network that gives it', async () => {
    for (const parameterisation of [epsilon, image, velocity]) {
      const data = examples(2);
      const network: Network = { apply: () => tf.add(tf.mul(parameters.get('a')!, 0), target) };
      const task = denoising({ network, parameters, levels: uniform(schedule), parameterisation });
      const batch = task.draw(data, new Random(2));
      const levels = stack([...batch.time.data].map((t) => levelAt(schedule, t)));
      const target: tf.Tensor4D = parameterisation.target(
        levels,
        tf.tensor4d(data.image.data, [2, 2, 2, 1]),
        tf.tensor4d(batch.noise.data, [2, 2, 2, 1]),
      );
      expect((await lossOf(task, batch)).loss).toBeLessThan(1e-6);
    }
  });

  test('gives the network the conditions that it takes, and no others; says which one the examples lack', async () => {
    const seen: string[] = [];
    const network: Network = {
      conditions: ['label'],
      apply(x, told, condition) {
        seen.push(
          told.dtype,
          ...Object.entries(condition!).map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape.join()}]`),
        );
        return tf.mul(x, parameters.get('a')!);
      },
    };
    const task = denoising({ network, parameters, levels: uniform(schedule) });
    const data = {
      ...examples(2),
      label: { data: Int32Array.of(3, 1), item: [] },
      caption: { data: Int32Array.of(1, 2), item: [] },
    };
    const batch = task.draw(data, new Random(1));
    expect(Object.keys(batch)).not.toContain('caption');
    await lossOf(task, batch);
    expect(seen).toEqual(['float32', 'label int32 [2]']);
    expect(() => task.draw(examples(2), new Random(1))).toThrow(
      "denoising: the network needs 'label' of each example, which has only image",
    );
  });

  test('tells the source which levels had which losses, and saves what it learned', async () => {
    let told: [number[], number[]] | undefined;
    const levels: LevelSource = {
      draw: (n) => Array.from({ length: n }, (_, i) => ({ level: levelAt(schedule, i), index: i, weight: 2 })),
      observe: (indices, losses) => void (told = [[...indices], Array.from(losses)]),
      state: () => new Map([['seen', Int32Array.of(told ? 1 : 0)]]),
    };
    const network: Network = { apply: (x) => tf.mul(x, parameters.get('a')!) };
    const task = denoising({ network, parameters, levels, weighting: ({ time }) => time + 1 });
    const batch = task.draw(examples(3), new Random(1));
    const { losses } = await lossOf(task, batch);
    task.observe!(batch, losses, new Map());
    expect(told![0]).toEqual([0, 1, 2]);
    // As they count, but for the 2 that makes up for how often the source draws them.
    told![1].forEach((loss, i) => expect(2 * loss).toBeCloseTo(losses.get('loss')![i], 6));
    expect(told![1][2]).toBeCloseTo(3 * losses.get('simple')![2], 6);
    expect(task.state!().get('seen')![0]).toBe(1);
  });

  test('says what is wrong with a network whose output does not fit', async () => {
    const task = denoising({ network: { apply: (x) => tf.concat([x, x], 3) }, parameters, levels: uniform(schedule) });
    await expect(lossOf(task)).rejects.toThrow(
      "denoising: the network's output should have the shape of its input, [3, 2, 2, 1], not [3, 2, 2, 2]",
    );
  });
});
