import { Random, sideBySide } from '@ddpm/random';
import type { NoiseSchedule } from '@ddpm/schedules';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise, Evaluation, Network, Sampler } from '../index';
import { ancestral, clipped, ddim, denoiser, levelAt, qPosterior, sample, trailing } from '../index';

/**
 * Where every pixel of the data is N(mean, variance), the best x̂_0 is known: E[x_0 | x] = mean + g (x − signal·mean)
 * with
 * g = signal·variance/(signal²·variance + sigma²).
 */
const bestDenoise =
  (mean: number, variance: number): Denoise =>
  (x, { signal, sigma }) => {
    const gain = (signal * variance) / (signal ** 2 * variance + sigma ** 2);
    return Promise.resolve({ x0: tf.tidy(() => tf.add<tf.Tensor4D>(tf.mul(tf.sub(x, signal * mean), gain), mean)) });
  };

/**
 * Mean and variance of the ancestral sampler's output for that network, exactly: each step is linear, so they follow a
 * recursion.
 */
function exactMoments(schedule: NoiseSchedule, mean: number, variance: number): { m: number; v: number } {
  let [m, v] = [0, 1];
  for (let t = schedule.timesteps - 1; t >= 0; t--) {
    const [alphaBar, previous] = [schedule.alphasCumprod[t], schedule.alphasCumprodPrev[t]];
    const gain = (Math.sqrt(alphaBar) * variance) / (alphaBar * variance + 1 - alphaBar);
    const fromStart = (Math.sqrt(previous) * schedule.betas[t]) / (1 - alphaBar);
    const fromXt = (Math.sqrt(schedule.alphas[t]) * (1 - previous)) / (1 - alphaBar);
    const slope = fromXt + fromStart * gain;
    m = slope * m + fromStart * (mean - gain * Math.sqrt(alphaBar) * mean);
    v = slope ** 2 * v + (t > 0 ? schedule.posteriorVariance[t] : 0);
  }
  return { m, v };
}

describe('the ancestral sampler on Gaussian data, with the best network', () => {
  const [mean, variance] = [0.7, 0.25];
  const schedule = cosineSchedule({ timesteps: 120 });
  const n = 20_000;

  test('has the mean and variance that theory gives, which are nearly the data’s', async () => {
    const rng = new Random(11);
    const xT = tf.tensor4d(rng.normals(n), [n / 100, 10, 10, 1]);
    const x0 = await sample(bestDenoise(mean, variance), xT, { sampler: ancestral(trailing(schedule)), rng });
    const { m, v } = exactMoments(schedule, mean, variance);
    const moments = tf.moments(x0);
    expect(Math.abs(moments.mean.dataSync()[0] - m)).toBeLessThan(4 * Math.sqrt(v / n));
    expect(Math.abs(moments.variance.dataSync()[0] / v - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(m - mean)).toBeLessThan(0.01);
    expect(Math.abs(v / variance - 1)).toBeLessThan(0.1);
  });
});

describe('ddim', () => {
  test('refuses an η beyond the ancestral sampler’s', () => {
    const levels = trailing(cosineSchedule({ timesteps: 3 }));
    for (const eta of [-0.1, 1.1, NaN])
      expect(() => ddim(levels, { eta })).toThrow(`ddim: eta must be from 0 to 1, got ${eta}`);
  });

  test('with η = 1 over all steps takes the steps of the ancestral sampler', () => {
    const levels = trailing(cosineSchedule({ timesteps: 30 }));
    const [x, x0] = [1, 2].map((seed) => tf.tensor4d(new Random(seed).normals(8), [2, 2, 2, 1]));
    for (const index of [0, 10, 28, 29]) {
      const [a, b] = [ancestral(levels), ddim(levels, { eta: 1 })].map((sampler) =>
        sampler.step(index, [{ x, x0, level: levels[index] }], new Random(3)).dataSync(),
      );
      a.forEach((value, i) => expect(b[i]).toBeCloseTo(value, 4));
    }
  });

  test('with η = 0 draws nothing, and carries Gaussian data’s quantiles from noise to image: x_0 = mean + s·x_T for many steps', async () => {
    const schedule = cosineSchedule({ timesteps: 1000 });
    const [mean, variance] = [0.7, 0.25];
    const xT = tf.tensor4d([-2, -0.5, 0, 1.5], [1, 2, 2, 1]);
    const rng = {
      normals: () => {
        throw new Error('drew noise');
      },
    };
    const before = tf.memory().numTensors;
    const x0 = await sample(bestDenoise(mean, variance), xT, { sampler: ddim(trailing(schedule, 500)), rng });
    expect(tf.memory().numTensors).toBe(before + 1);
    xT.dataSync().forEach((x, i) => expect(x0.dataSync()[i]).toBeCloseTo(mean + Math.sqrt(variance) * x, 1));
  });
});

describe('ancestral', () => {
  const schedule = linearSchedule({ timesteps: 20 });
  const levels = trailing(schedule);

  test('adds √β̃_t z to 1/√α_t (x_t − β_t ε̂/√(1 − ᾱ_t)), eq. 11; the product that the tutorial’s slip takes is something else', () => {
    const x = tf.tensor4d(new Random(2).normals(8), [2, 2, 2, 1]);
    const z = new Random(3).normals(8);
    for (const t of [1, 7, 19]) {
      const level = levelAt(schedule, t);
      // ε̂ = 0.3 x
      const x0 = tf.mul<tf.Tensor4D>(x, (1 - 0.3 * level.sigma) / level.signal);
      const next = ancestral(levels)
        .step(19 - t, [{ x, x0, level }], { normals: () => z })
        .dataSync();
      const mean = (value: number) =>
        (value - (schedule.betas[t] * 0.3 * value) / schedule.sqrtOneMinusAlphasCumprod[t]) /
        Math.sqrt(schedule.alphas[t]);
      const deviation = Math.sqrt(schedule.posteriorVariance[t]);
      x.dataSync().forEach((value, i) => {
        expect(next[i]).toBeCloseTo(mean(value) + deviation * z[i], 5);
        expect(Math.abs(next[i] - mean(value) * deviation * z[i])).toBeGreaterThan(1e-3);
      });
    }
  });

  test('q(x_s | x_t, x_0) is that of the schedule between neighbours (eq. 7), and x̂_0 itself at the image', () => {
    for (let t = 1; t < 20; t++) {
      const { fromStart, fromX, variance } = qPosterior(levelAt(schedule, t), levelAt(schedule, t - 1));
      const rest = 1 - schedule.alphasCumprod[t];
      expect(fromStart).toBeCloseTo((Math.sqrt(schedule.alphasCumprodPrev[t]) * schedule.betas[t]) / rest, 10);
      expect(fromX).toBeCloseTo((Math.sqrt(schedule.alphas[t]) * (1 - schedule.alphasCumprodPrev[t])) / rest, 10);
      expect(variance).toBeCloseTo(schedule.posteriorVariance[t], 10);
    }
    expect(qPosterior(levels[19], levels[20])).toEqual({ fromStart: 1, fromX: 0, variance: 0 });
  });
});

describe('sample', () => {
  const sampler = ancestral(trailing(linearSchedule({ timesteps: 5 })));
  const network: Network = { apply: (xt) => tf.mul(tf.mul(xt, 0.5), tf.sigmoid(xt)) }; // leaves intermediates behind

  test('visits every t from the last to 0 once, shows each step, and leaves only its result', async () => {
    const visited: number[] = [];
    const spy: Network = { apply: (x, t) => (visited.push(t.dataSync()[0]), network.apply(x, t)) };
    const xT = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
    const before = tf.memory().numTensors;
    const shown: string[] = [];
    const x0 = await sample(denoiser(spy), xT, {
      sampler,
      rng: new Random(1),
      onStep: async ({ index, steps, x, x0: guess }) =>
        void shown.push(`${index}/${steps} ${(await x.data()).length} ${guess.shape.join()}`),
    });
    expect(visited).toEqual([4, 3, 2, 1, 0]);
    expect(shown).toEqual(['0/5 4 1,2,2,1', '1/5 4 1,2,2,1', '2/5 4 1,2,2,1', '3/5 4 1,2,2,1', '4/5 4 1,2,2,1']);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect([...xT.dataSync()]).toEqual([1, 1, 1, 1]);
    x0.dispose();
  });

  test('gives the same images through an asynchronous network', async () => {
    const xT = tf.tensor4d(new Random(4).normals(8), [2, 2, 2, 1]);
    const run = async (net: Parameters<typeof denoiser>[0]) =>
      (await sample(denoiser(net), xT, { sampler, rng: new Random(1) })).dataSync();
    const asynchronous = async (x: tf.Tensor4D, t: tf.Tensor1D) => {
      await Promise.resolve();
      return tf.tidy(() => network.apply(x, t));
    };
    expect(await run(asynchronous)).toEqual(await run(network));
  });

  test('gives each image what its own generator says, whatever the batch', async () => {
    const draw = async (seeds: number[]) => {
      const rng = sideBySide(seeds.map((seed) => new Random(seed)));
      const xT = tf.tensor4d(rng.normals(4 * seeds.length), [seeds.length, 2, 2, 1]);
      return (await sample(denoiser(network), xT, { sampler, rng })).dataSync();
    };
    const [together, alone] = [(await draw([7, 8, 9])).subarray(4, 8), await draw([8])];
    // TensorFlow's last bit depends on where in a batch a number lies: SIMD takes most of them, and plain instructions
    // the rest.
    if (tf.getBackend() === 'tensorflow') together.forEach((value, i) => expect(value).toBeCloseTo(alone[i], 6));
    else expect(together).toEqual(alone);
  });

  test('clip keeps every x̂_0 within [−1, 1], and with it the images', async () => {
    const xT = tf.tensor4d([3, -3, 0.1, 1], [1, 2, 2, 1]);
    const ranges: number[] = [];
    const onStep = ({ x0 }: { x0: tf.Tensor }) => void ranges.push(Math.max(...x0.dataSync().map(Math.abs)));
    const before = tf.memory().numTensors;
    const denoise = clipped(denoiser({ apply: (xt) => tf.mul(xt, -1) }));
    const x0 = await sample(denoise, xT, { sampler, rng: new Random(1), onStep });
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(Math.max(...ranges)).toBe(1);
    expect(Math.max(...x0.dataSync().map(Math.abs))).toBeLessThanOrEqual(1);
  });

  test('leaves nothing behind when the network fails, and says what is wrong with its output', async () => {
    const xT = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
    const before = tf.memory().numTensors;
    const wide: Network = { apply: (xt) => tf.concat([xt, xt], 3) };
    await expect(sample(denoiser(wide), xT, { sampler, rng: new Random(1) })).rejects.toThrow(
      "denoiser: the network's output should have the shape of its input, [1, 2, 2, 1], not [1, 2, 2, 2]",
    );
    const failing = () => Promise.reject(new Error('out of memory'));
    await expect(sample(denoiser(failing), xT, { sampler, rng: new Random(1) })).rejects.toThrow('out of memory');
    const onStep = ({ index }: { index: number }) => {
      if (index === 2) throw new Error('seen enough');
    };
    await expect(sample(denoiser(network), xT, { sampler, rng: new Random(1), onStep })).rejects.toThrow('seen enough');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a step looks back on as many evaluations as its sampler remembers, the newest first, and they are freed', async () => {
    const seen: number[][] = [];
    const looksBack: Sampler = {
      levels: sampler.levels,
      memory: 3,
      step(_, evaluations) {
        seen.push(evaluations.map(({ level, x, x0 }: Evaluation) => (x.dataSync(), x0.dataSync(), level.time)));
        return tf.mul<tf.Tensor4D>(evaluations[0].x, 0.9);
      },
    };
    const xT = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
    const before = tf.memory().numTensors;
    await sample(denoiser(network), xT, { sampler: looksBack, rng: new Random(1) });
    expect(seen).toEqual([[4], [3, 4], [2, 3, 4], [1, 2, 3], [0, 1, 2]]);
    expect(tf.memory().numTensors).toBe(before + 1);
  });

  test('a condition reaches the network at every step, and is refused where the network does not take it', async () => {
    const label = tf.tensor1d([7], 'int32');
    let calls = 0;
    const conditional: Network = {
      conditions: ['label'],
      apply: (x, _, condition) => (calls++, tf.mul(x, tf.cast(condition!.label, 'float32'))),
    };
    const xT = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
    await sample(denoiser(conditional, { condition: { label } }), xT, { sampler, rng: new Random(1) });
    expect(calls).toBe(5);
    expect(() => denoiser(conditional)).toThrow('denoiser: the network takes the conditions label, and was given none');
    expect(() => denoiser(network, { condition: { label } })).toThrow(
      'denoiser: the network takes the conditions none, and was given label',
    );
  });
});
