import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { eagerGradients, tensors } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import type { Level, LevelSource, Network, Parameterisation } from './index';
import {
  clean,
  consistency,
  edm,
  edmAt,
  edmClock,
  epsilon,
  flow,
  flowAt,
  flowClock,
  image,
  levelAt,
  scheduleClock,
  velocity,
} from './index';

const schedule = linearSchedule({ timesteps: 50 });
const these = (levels: readonly Level[]): LevelSource => ({ draw: () => levels.map((level) => ({ level })) });
const examples = { image: { data: new Random(1).normals(12), item: [2, 1, 1] } };
const six = [0.01, 0.5, 1, 4, 20, 80].map(edmAt);

describe('clocks', () => {
  test.each([
    ['of a schedule', scheduleClock(schedule), [0, 7, 49].map((t) => levelAt(schedule, t)), [0.02, 0.16, 1]],
    ['of EDM', edmClock(), [0.002, 3].map(edmAt), [0.002, 3]],
    ['of a flow', flowClock(), [0.001, 0.4, 1].map(flowAt), [0.001, 0.4, 1]],
  ])('%s run from the image at 0', (_, clock, levels, times) => {
    levels.forEach((level, i) => {
      expect(clock.of(level)).toBeCloseTo(times[i], 9);
      expect(clock.at(times[i]).sigma).toBeCloseTo(level.sigma, 6);
    });
    expect(clock.at(0)).toEqual(clean);
    expect(clock.at(times[0] / 2)).toEqual(clean);
  });
});

test('r is that of the published code, in each stage: t − t·(1 + 8 sigmoid(−t))/2^(stage + 1), at least 0', () => {
  const task = consistency({
    ...{ network: { apply: (x: tf.Tensor4D) => x }, parameters: new Map(), every: 2 },
    ...{ levels: these(six), clock: edmClock(), parameterisation: edm() },
  });
  const expected = [
    // t_to_r_sigmoid of locuslab/ect's training/loss.py with k = 8, b = 1, q = 2, stages 0 and 3.
    [0, 0, 0, 1.7122206, 9.9999998, 40],
    [0.0068875, 0.3743648, 0.8030293, 3.7140276, 18.75, 75],
  ];
  for (const stage of [0, 3]) {
    const { toSigma, known, weight, fromSigma } = task.draw(examples, new Random(1));
    expected[stage === 0 ? 0 : 1].forEach((r, i) => {
      expect(known.data[i]).toBe(r === 0 ? 1 : 0);
      // The network is asked of t where the image itself is the target.
      expect(toSigma.data[i] / (r || six[i].sigma)).toBeCloseTo(1, 4);
      expect(weight.data[i] * (fromSigma.data[i] - r)).toBeCloseTo(1, 4);
    });
    for (let i = 0; i < 6; i++) task.observe!({}, new Map(), new Map());
  }
  const later = task.state!();
  expect(later).toEqual(new Map([['taken', Int32Array.of(12)]]));
});

test.each<[string, Parameterisation, readonly Level[], Parameters<typeof consistency>[0]['clock']]>([
  ['edm', edm(), six, edmClock()],
  ['epsilon', epsilon, [0, 5, 11, 23, 40, 49].map((t) => levelAt(schedule, t)), scheduleClock(schedule)],
  ['velocity', velocity, [0, 5, 11, 23, 40, 49].map((t) => levelAt(schedule, t)), scheduleClock(schedule)],
  ['flow', flow, [0.01, 0.1, 0.2, 0.4, 0.8, 1].map(flowAt), flowClock()],
])(
  'a network that knows the one image there is has no loss, and any other has: %s',
  (_, parameterisation, all, clock) => {
    const one = { image: { data: new Float32Array(12).fill(0.3), item: [2, 1, 1] } };
    const knowing = (value: number) => {
      let level: Level[] = [];
      const network: Network = {
        apply(x, told) {
          // As the task asks: of t first or of r; x̂_0 = value whatever it is asked.
          return tf.tidy(() => {
            const at = Array.from(told.dataSync());
            level = at.map((time) => byTold(time));
            const rows = level.map(({ signal, sigma, time }, i) => {
              const own = tf.slice(x, [i, 0, 0, 0], [1, -1, -1, -1]);
              const noisy = parameterisation.input ? tf.mul(own, Math.hypot(sigma, 0.5 * signal)) : own;
              const x0 = tf.fill<tf.Rank.R4>(own.shape, value);
              const noise = tf.div<tf.Tensor4D>(tf.sub(noisy, tf.mul(x0, signal)), sigma);
              return parameterisation.target(
                { signal: tf.scalar(signal), sigma: tf.scalar(sigma), time: tf.tensor1d([time]) },
                x0,
                noise,
              );
            });
            return tf.concat(rows, 0);
          });
        },
      };
      return network;
    };
    const byTold = (time: number): Level => {
      if (parameterisation.name === 'edm') return edmAt(Math.exp(4 * time));
      return parameterisation.name === 'flow' ? flowAt(time / 1000) : levelAt(schedule, Math.min(49, time));
    };
    const lossOf = (value: number) => {
      const task = consistency({
        ...{ network: knowing(value), parameters: new Map(), levels: these(all), clock, parameterisation, every: 1 },
      });
      task.observe!({}, new Map(), new Map());
      const inputs = task.draw(one, new Random(2));
      return { simple: [...task.loss(tensors(inputs)).simple.dataSync()], known: [...inputs.known.data] };
    };
    const right = lossOf(0.3);
    right.simple.forEach((value) => expect(value).toBeLessThan(2e-3));
    // A constant is consistent with itself everywhere, but not with the image: the boundary holds it.
    const wrong = lossOf(-0.2);
    expect(wrong.known).toContain(1);
    expect(wrong.known).toContain(0);
    wrong.simple.forEach((value, i) =>
      wrong.known[i] === 1 ? expect(value).toBeCloseTo(0.5, 2) : expect(value).toBeLessThan(2e-3),
    );
  },
);

test('the gradient is that of finite differences with the target held', async () => {
  const factor = tf.variable(tf.tensor1d([0.7]));
  const levels = [0, 5, 11, 23, 40, 49].map((t) => levelAt(schedule, t));
  const network: Network = { apply: (x, t) => tf.mul(x, tf.add(factor, tf.reshape(tf.div(t, 100), [-1, 1, 1, 1]))) };
  const make = (held?: number) => {
    let asked = 0;
    const apply: Network['apply'] = (x, t) => {
      // The target is asked first.
      const own = held !== undefined && asked++ === 0 ? tf.scalar(held) : factor;
      return tf.mul(x, tf.add(own, tf.reshape(tf.div(t, 100), [-1, 1, 1, 1])));
    };
    return consistency({
      ...{ network: held === undefined ? network : { apply }, parameters: new Map([['factor', factor]]) },
      ...{ levels: these(levels), clock: scheduleClock(schedule), parameterisation: image, b: 5 },
    });
  };
  const task = make();
  const inputs = task.draw(examples, new Random(3));
  const at = (value: number) => new Map([['factor', Float32Array.of(value)]]);
  const { gradients } = await eagerGradients(task)(at(0.7), inputs);
  const moved = async (by: number) => (await eagerGradients(make(0.7))(at(0.7 + by), inputs)).loss;
  const difference = ((await moved(0.01)) - (await moved(-0.01))) / 0.02;
  expect(Math.abs(difference)).toBeGreaterThan(0.1);
  expect(gradients.get('factor')![0] / difference).toBeCloseTo(1, 2);
});

test('at c = 0 the loss is the root mean square, and q must shrink', () => {
  const options = { network: { apply: (x: tf.Tensor4D) => tf.zerosLike(x) }, parameters: new Map() };
  const task = consistency({ ...options, levels: these(six), clock: edmClock(), parameterisation: image, c: 0 });
  const inputs = task.draw(examples, new Random(1));
  const simple = task.loss(tensors(inputs)).simple.dataSync();
  const [a, b] = inputs.image.data;
  expect(simple[0]).toBeCloseTo(Math.hypot(a, b) / Math.SQRT2, 5);
  expect(() => consistency({ ...options, levels: these(six), clock: edmClock(), q: 1 })).toThrow(
    'consistency: q must be above 1, got 1',
  );
});
