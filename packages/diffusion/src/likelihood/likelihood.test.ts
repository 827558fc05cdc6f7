import { Random } from '@ddpm/random';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import { eagerGradients } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Bound, Denoise, DenoisingOptions, Level } from '../index';
import {
  bitsPerDim,
  clean,
  denoising,
  edmAt,
  epsilon,
  hybrid,
  l2,
  learnedRange,
  learnedVariance,
  levelAt,
  respaced,
  trailing,
  uniform,
  velocity,
  vlb,
} from '../index';
import { boundSteps, boundTerm, constant } from './bound-term';
import { discretizedGaussian } from './discretized-gaussian';

const tensor = (values: ArrayLike<number>) => tf.tensor4d(Float32Array.from(values), [values.length, 1, 1, 1]);

describe('the discretised Gaussian', () => {
  const bytes = Array.from({ length: 256 }, (_, k) => k / 127.5 - 1);
  const logs = (mean: number, deviation: number) =>
    discretizedGaussian(
      tensor(bytes),
      tensor(bytes.map((x) => x - mean)),
      tensor(bytes.map(() => Math.log(deviation))),
    ).dataSync();

  test.each([
    [0.1, 0.05],
    [-0.98, 0.3],
    [0.7, 0.004],
    [1.3, 0.4],
  ])('N(%d, %d²) gives all bytes together 1', (mean, deviation) => {
    expect([...logs(mean, deviation)].reduce((sum, log) => sum + Math.exp(log), 0)).toBeCloseTo(1, 5);
  });

  test('is the formula of float64, tails included, down to 10⁻¹²', () => {
    const phi = (z: number) => 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
    for (const [mean, deviation] of [
      [0.1, 0.05],
      [-0.4, 0.15],
    ])
      logs(mean, deviation).forEach((log, k) => {
        const [above, below] = [1, -1].map((side) => (bytes[k] - mean + side / 255) / deviation);
        const exact = k === 0 ? phi(above) : k === 255 ? 1 - phi(below) : phi(above) - phi(below);
        // In float64 too, 1 − 1 has lost its digits on the right.
        if (above < 0 || exact > 1e-9) expect(log).toBeCloseTo(Math.log(Math.max(exact, 1e-12)), 4);
      });
    expect(Math.min(...logs(0.1, 0.05))).toBeCloseTo(Math.log(1e-12), 4);
  });
});

describe('L_t', () => {
  const levels = trailing(linearSchedule({ timesteps: 50 }));
  const steps = boundSteps('test', levels);

  test('of the true posterior is 0, and grows with the variance’s distance and the mean’s', () => {
    const x0 = tensor([0.2, -0.6]);
    const at = (values: number[], offset = 0) =>
      boundTerm(
        constant(steps[20]),
        x0,
        { x0: tf.add(x0, offset), variance: { fraction: tensor(values) } },
        'lower',
      ).dataSync();
    expect([...at([0, 0])]).toEqual([0, 0]);
    // KL(N(0, 1) ‖ N(0, e^u)) = ½(u + e^−u − 1), in bits.
    const nats = (u: number) => (u + Math.exp(-u) - 1) / 2;
    at([1, 300]).forEach((bits, i) => expect(bits / (nats([1, 300][i] * steps[20].span) / Math.LN2)).toBeCloseTo(1, 4));
    const distance = (steps[20].fromStart * 0.1) ** 2 / Math.exp(steps[20].lower);
    expect(at([0, 0], 0.1)[0] / (distance / 2 / Math.LN2)).toBeCloseTo(1, 4);
  });

  test('of a fixed variance is that of the learned one at the ends of its range; at the image both are β̃', () => {
    const x0 = tensor([0.2]);
    const of = (index: number, value: number | 'lower' | 'upper') =>
      boundTerm(
        constant(steps[index]),
        x0,
        { x0: tf.sub(x0, 0.01), ...(typeof value === 'number' && { variance: { fraction: tensor([value]) } }) },
        typeof value === 'number' ? 'lower' : value,
      ).dataSync()[0];
    for (const index of [0, 30]) {
      expect(of(index, 'lower')).toBeCloseTo(of(index, 0), 6);
      expect(of(index, 'upper')).toBeCloseTo(of(index, 1), 6);
    }
    expect(of(49, 'upper')).toBe(of(49, 'lower'));
    expect(of(49, 'lower')).toBeCloseTo(of(49, 0), 6);
    expect(of(49, 1)).not.toBeCloseTo(of(49, 0), 3);
  });

  test('takes log σ² as it is', () => {
    const x0 = tensor([0.2]);
    const { lower, span } = steps[20];
    const of = (variance: { fraction: tf.Tensor4D } | { log: tf.Tensor4D }) =>
      boundTerm(constant(steps[20]), x0, { x0: tf.zerosLike(x0), variance }, 'lower').dataSync()[0];
    expect(of({ log: tensor([lower + 0.3 * span]) })).toBeCloseTo(of({ fraction: tensor([0.3]) }), 5);
  });
});

describe('bitsPerDim', () => {
  test('of the best network is hardly above the entropy of the data, and nearer with more steps', async () => {
    // Two shades, one in four of them dark: 0.811 bits. In the end it is sure of the shade, and says so.
    const [dark, light] = [40 / 127.5 - 1, 180 / 127.5 - 1];
    const rng = new Random(3);
    const images = tensor(Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? dark : light)));
    const best =
      (last: Level): Denoise =>
      (x, { signal, sigma }) =>
        Promise.resolve({
          variance: sigma === last.sigma ? { log: tf.fill(x.shape, Math.log(1e-6)) } : { fraction: tf.zerosLike(x) },
          x0: tf.tidy(() => {
            const log = (shade: number) => tf.neg(tf.square(tf.div(tf.sub(x, signal * shade), sigma)));
            const odds = tf.add(tf.div(tf.sub(log(light), log(dark)), 2), Math.log(3));
            return tf.add<tf.Tensor4D>(dark, tf.mul(tf.sigmoid(odds), light - dark));
          }),
        });
    const schedule = linearSchedule();
    const bound = async (steps: number) => {
      const levels = trailing(schedule, steps);
      const { total } = await bitsPerDim(best(levels[steps - 1]), images, { levels, rng });
      return total.reduce((sum, bits) => sum + bits, 0) / total.length;
    };
    const entropy = -0.25 * Math.log2(0.25) - 0.75 * Math.log2(0.75);
    const [few, many] = [await bound(20), await bound(100)];
    expect(many).toBeGreaterThan(entropy);
    expect(many).toBeLessThan(entropy + 0.1);
    expect(few).toBeGreaterThan(many + 0.02);
  });

  test('is the sum of its terms, in the order of the levels, and leaves nothing', async () => {
    const levels = respaced(cosineSchedule({ timesteps: 100 }), [99, 50, 0]);
    const images = tf.tensor4d(
      [0, 255, 100, 7].map((byte) => byte / 127.5 - 1),
      [2, 1, 2, 1],
    );
    const seen: number[] = [];
    const denoise: Denoise = (x, { time }) => {
      seen.push(time);
      return Promise.resolve({ x0: tf.tidy(() => tf.mul(x, 0.5)) });
    };
    const before = tf.memory().numTensors;
    const onLevel = (...given: [number, number]) => void seen.push(...given);
    const {
      total,
      prior,
      vlb: terms,
      xStartMse,
    } = await bitsPerDim(denoise, images, { levels, rng: new Random(1), onLevel });
    expect(tf.memory().numTensors).toBe(before);
    expect(seen).toEqual([99, 0, 3, 50, 1, 3, 0, 2, 3]);
    expect([terms.length, xStartMse.length, total.length]).toEqual([3, 3, 2]);
    total.forEach((bits, i) => expect(bits).toBe(terms.reduce((sum, term) => sum + term[i], prior[i])));
    const failing = () => Promise.reject(new Error('out of memory'));
    await expect(bitsPerDim(failing, images, { levels, rng: new Random(1) })).rejects.toThrow('out of memory');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('refuses what it has no bound of', async () => {
    const [levels, rng] = [trailing(linearSchedule({ timesteps: 5 })), new Random(1)];
    const denoise: Denoise = (x) => Promise.resolve({ x0: tf.clone(x) });
    await expect(bitsPerDim(denoise, tensor([0.5]), { levels, rng })).rejects.toThrow(
      'bitsPerDim: images must be of bytes, k/127.5 − 1 for k = 0 … 255, got 0.5',
    );
    await expect(bitsPerDim(denoise, tensor([1]), { levels: levels.slice(0, 3), rng })).rejects.toThrow(
      'bitsPerDim: the levels must go from noise to the image itself, such as trailing(schedule); got 3, the last with sigma',
    );
    await expect(bitsPerDim(denoise, tensor([1]), { levels: [edmAt(80), clean], rng })).rejects.toThrow(
      'bitsPerDim: the first level must be near N(0, I), as a schedule’s last is; its sigma is 80'.replace('’', "'"),
    );
  });
});

describe('as a loss', () => {
  const schedule = linearSchedule({ timesteps: 10 });
  const [mean, variance] = [tf.variable(tf.scalar(0.3)), tf.variable(tf.scalar(-0.2))];
  const parameters = new Map([
    ['mean', mean],
    ['variance', variance],
  ]);
  const network = {
    apply: (x: tf.Tensor4D) =>
      tf.concat<tf.Tensor4D>([tf.mul(x, mean), tf.mul(tf.square(x), variance)] as tf.Tensor4D[], 3),
  };
  const image = { data: new Random(2).normals(24), item: [2, 1, 2] };
  const values = (a: number, b: number) =>
    new Map([
      ['mean', Float32Array.of(a)],
      ['variance', Float32Array.of(b)],
    ]);
  const at = async (options: Partial<DenoisingOptions>, [a, b] = [0.3, -0.2]) => {
    const task = denoising({
      ...{ network, parameters, levels: uniform(schedule), loss: l2, parameterisation: learnedRange(velocity) },
      ...options,
    });
    const { loss, gradients, losses } = await eagerGradients(task)(values(a, b), task.draw({ image }, new Random(5)));
    const [ofMean, ofVariance] = ['mean', 'variance'].map((name) => gradients.get(name)?.[0] ?? 0);
    return { loss, ofMean, ofVariance, losses };
  };
  const bounds = trailing(schedule);

  test('L_vlb has the gradients of finite differences', async () => {
    const bound = vlb(bounds);
    const { ofMean, ofVariance } = await at({ bound });
    const h = 2 ** -6;
    const slope = async (...[a, b]: [number, number]) =>
      ((await at({ bound }, [0.3 + a, -0.2 + b])).loss - (await at({ bound }, [0.3 - a, -0.2 - b])).loss) / (2 * h);
    expect(Math.abs(ofMean / (await slope(h, 0)) - 1)).toBeLessThan(1e-3);
    expect(Math.abs(ofVariance / (await slope(0, h)) - 1)).toBeLessThan(1e-3);
  });

  test('in L_hybrid the mean learns from L_simple alone, and the variance from λ·L_vlb', async () => {
    const [simple, alone] = [await at({}), await at({ bound: vlb(bounds) })];
    const both = await at({ bound: hybrid(bounds, { lambda: 0.25 }) });
    expect(both.ofMean).toBeCloseTo(simple.ofMean, 6);
    expect(both.ofVariance).toBeCloseTo(0.25 * alone.ofVariance, 5);
    expect(Math.abs(alone.ofMean - simple.ofMean)).toBeGreaterThan(0.01);
    expect(simple.ofVariance).toBe(0);
    expect([...both.losses.keys()]).toEqual(['loss', 'simple', 'vlb']);
    both.losses
      .get('loss')!
      .forEach((loss, i) =>
        expect(loss).toBeCloseTo(both.losses.get('simple')![i] + 0.25 * both.losses.get('vlb')![i], 4),
      );
    expect(alone.losses.get('loss')).toEqual(alone.losses.get('vlb'));
  });

  test('is told to a source of levels as it counts, without what makes up for their draw', async () => {
    for (const [bound, weighting, counted] of [
      [vlb(bounds), undefined, (_: number, estimate: number) => estimate],
      [hybrid(bounds, { lambda: 0.5 }), () => 3, (simple: number, estimate: number) => 3 * simple + 0.5 * estimate],
    ] as const) {
      let told: number[] = [];
      const task = denoising({
        ...{ network, parameters, loss: l2, parameterisation: learnedRange(epsilon), bound, weighting },
        levels: {
          draw: (n) => Array.from({ length: n }, (_, i) => ({ level: levelAt(schedule, i), index: i, weight: 2 })),
          observe: (_, losses) => void (told = Array.from(losses)),
        },
      });
      const inputs = task.draw({ image }, new Random(1));
      const { losses } = await eagerGradients(task)(values(0.3, -0.2), inputs);
      task.observe!(inputs, losses, new Map());
      expect(told).toHaveLength(6);
      told.forEach((value, i) => {
        expect(value).toBe(counted(losses.get('simple')![i], losses.get('vlb')![i]));
        expect((2 * value) / losses.get('loss')![i]).toBeCloseTo(1, 5);
      });
    }
  });

  test('refuses what it cannot be', async () => {
    await expect(at({ bound: hybrid(bounds), parameterisation: velocity })).rejects.toThrow(
      "denoising: a hybrid loss trains a learned variance, and 'velocity' has none; learnedRange(velocity) does",
    );
    await expect(at({ bound: vlb(bounds), weighting: () => 1 })).rejects.toThrow(
      'denoising: a weighting is of L_simple, which has no part in L_vlb alone',
    );
    await expect(at({ bound: hybrid(trailing(schedule, 2)) })).rejects.toThrow(
      /denoising: the bound has no level at time \d, which was drawn for an image/,
    );
    await expect(at({ parameterisation: velocity })).rejects.toThrow(
      "denoising: the network's output should have the shape of its input, [6, 2, 1, 2], not [6, 2, 1, 4]",
    );
    await expect(at({ network: { apply: (x) => x }, parameterisation: learnedVariance(epsilon) })).rejects.toThrow(
      "denoising: the network's output should have twice the channels of its input, to say the variance, [6, 2, 1, 4], not [6, 2, 1, 2]",
    );
    expect(() => hybrid(bounds, { lambda: 0 })).toThrow('hybrid: lambda must be a number above 0, got 0');
  });

  test('a network that has not learned the variance has one that is chosen', async () => {
    const own = { network: { apply: (x: tf.Tensor4D) => tf.mul<tf.Tensor4D>(x, mean) }, parameterisation: velocity };
    const bound = (which: Bound['variance']) => at({ ...own, bound: vlb(bounds, { variance: which }) });
    const [lower, upper] = [await bound('lower'), await bound('upper')];
    expect(lower.loss).not.toBeCloseTo(upper.loss, 1);
  });
});
