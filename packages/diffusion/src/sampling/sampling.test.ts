import { Random, sideBySide } from '@ddpm/random';
import type { NoiseSchedule } from '@ddpm/schedules';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from '../index';
import { ddim, ddpm, extract, pSample, sample, trailingTimesteps } from '../index';

/**
 * Where every pixel of the data is N(mean, variance), the best prediction of ε is known:
 * E[x_0 | x_t] = mean + g (x_t − √ᾱ mean) with g = √ᾱ variance / (ᾱ variance + 1 − ᾱ), and ε̂ = (x_t − √ᾱ x̂_0)/√(1 − ᾱ).
 */
function bestNetwork(schedule: NoiseSchedule, mean: number, variance: number): Network {
  const gain = schedule.alphasCumprod.map((alphaBar) => (Math.sqrt(alphaBar) * variance) / (alphaBar * variance + 1 - alphaBar));
  return {
    apply: (xt, t) =>
      tf.tidy(() => {
        const signal = extract(schedule.sqrtAlphasCumprod, t);
        const xStart = tf.add(tf.mul(extract(gain, t), tf.sub(xt, tf.mul(signal, mean))), mean);
        return tf.div(tf.sub(xt, tf.mul(signal, xStart)), extract(schedule.sqrtOneMinusAlphasCumprod, t));
      }),
  };
}

/** Mean and variance of the ancestral sampler's output for that network, exactly: each step is linear, so they follow a recursion. */
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
    const x0 = await sample(bestNetwork(schedule, mean, variance), xT, { schedule, rng });
    const { m, v } = exactMoments(schedule, mean, variance);
    const moments = tf.moments(x0);
    expect(Math.abs(moments.mean.dataSync()[0] - m)).toBeLessThan(4 * Math.sqrt(v / n));
    expect(Math.abs(moments.variance.dataSync()[0] / v - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(m - mean)).toBeLessThan(0.01);
    expect(Math.abs(v / variance - 1)).toBeLessThan(0.1);
  });

  test('the best network predicts the noise that q(x_t | x_0) added, as far as it can be known', () => {
    // At the last t nothing is left of x_0, so ε̂ must be x_t itself.
    const xt = tf.tensor4d(new Random(1).normals(4), [1, 2, 2, 1]);
    const output = bestNetwork(schedule, mean, variance).apply(xt, tf.tensor1d([119], 'int32'));
    tf.sub(output, xt)
      .dataSync()
      .forEach((difference) => expect(Math.abs(difference)).toBeLessThan(0.02));
  });
});

describe('ddim', () => {
  test('visits T − 1 first, in even strides', () => {
    expect(trailingTimesteps(200, 4)).toEqual([199, 149, 99, 49]);
    expect(trailingTimesteps(5, 5)).toEqual([4, 3, 2, 1, 0]);
    expect(trailingTimesteps(10, 3)).toEqual([9, 6, 2]);
    expect(() => trailingTimesteps(10, 11)).toThrow("steps must be a whole number from 1 to 10, the schedule's timesteps; got 11");
  });

  test('with η = 1 over all steps takes the steps of the ancestral sampler', () => {
    const schedule = cosineSchedule({ timesteps: 30 });
    const [ancestral, implicit] = [ddpm(schedule), ddim(schedule, { eta: 1 })];
    expect(implicit.timesteps).toEqual(ancestral.timesteps);
    const [xt, xStart] = [1, 2].map((seed) => tf.tensor4d(new Random(seed).normals(8), [2, 2, 2, 1]));
    for (const index of [0, 10, 28, 29]) {
      const [a, b] = [ancestral, implicit].map((sampler) => sampler.step({ xt, xStart, index, rng: new Random(3) }).dataSync());
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
    const x0 = await sample(bestNetwork(schedule, mean, variance), xT, { schedule, sampler: ddim(schedule, { steps: 500 }), rng });
    expect(tf.memory().numTensors).toBe(before + 1);
    xT.dataSync().forEach((x, i) => expect(x0.dataSync()[i]).toBeCloseTo(mean + Math.sqrt(variance) * x, 1));
  });
});

describe('p_sample', () => {
  const schedule = linearSchedule({ timesteps: 20 });
  const network: Network = { apply: (xt) => tf.mul(xt, 0.3) };
  const xt = tf.tensor4d(new Random(2).normals(8), [2, 2, 2, 1]);
  const z = tf.tensor4d(new Random(3).normals(8), [2, 2, 2, 1]);

  test('adds √β̃_t z to 1/√α_t (x_t − β_t ε̂/√(1 − ᾱ_t)), eq. 11; the product that the tutorial’s slip takes is something else', () => {
    for (const t of [1, 7, 19]) {
      const before = tf.memory().numTensors;
      const next = pSample(schedule, network, xt, t, z);
      expect(tf.memory().numTensors).toBe(before + 1);
      const mean = (x: number) => schedule.sqrtRecipAlphas[t] * (x - (schedule.betas[t] * 0.3 * x) / schedule.sqrtOneMinusAlphasCumprod[t]);
      const deviation = Math.sqrt(schedule.posteriorVariance[t]);
      const zs = z.dataSync();
      xt.dataSync().forEach((x, i) => {
        expect(next.dataSync()[i]).toBeCloseTo(mean(x) + deviation * zs[i], 5);
        expect(Math.abs(next.dataSync()[i] - mean(x) * deviation * zs[i])).toBeGreaterThan(1e-3);
      });
    }
  });

  test('is the mean alone at t = 0', () => {
    expect(pSample(schedule, network, xt, 0, z).dataSync()).toEqual(pSample(schedule, network, xt, 0, tf.zerosLike(z)).dataSync());
  });
});

describe('sample', () => {
  const schedule = linearSchedule({ timesteps: 5 });
  const network: Network = { apply: (xt) => tf.mul(tf.mul(xt, 0.5), tf.sigmoid(xt)) }; // leaves intermediates behind

  test('visits every t from the last to 0 once, shows each step, and leaves only its result', async () => {
    const visited: number[] = [];
    const spy: Network = { apply: (x, t) => (visited.push(t.dataSync()[0]), network.apply(x, t)) };
    const xT = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
    const before = tf.memory().numTensors;
    const shown: string[] = [];
    const x0 = await sample(spy, xT, {
      schedule,
      rng: new Random(1),
      onStep: async ({ index, steps, x, xStart }) => void shown.push(`${index}/${steps} ${(await x.data()).length} ${xStart.shape.join()}`),
    });
    expect(visited).toEqual([4, 3, 2, 1, 0]);
    expect(shown).toEqual(['0/5 4 1,2,2,1', '1/5 4 1,2,2,1', '2/5 4 1,2,2,1', '3/5 4 1,2,2,1', '4/5 4 1,2,2,1']);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect([...xT.dataSync()]).toEqual([1, 1, 1, 1]);
    x0.dispose();
  });

  test('gives the same images through an asynchronous network', async () => {
    const xT = tf.tensor4d(new Random(4).normals(8), [2, 2, 2, 1]);
    const run = async (net: Parameters<typeof sample>[0]) => (await sample(net, xT, { schedule, rng: new Random(1) })).dataSync();
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
      return (await sample(network, xT, { schedule, rng })).dataSync();
    };
    const [together, alone] = [(await draw([7, 8, 9])).subarray(4, 8), await draw([8])];
    // TensorFlow's last bit depends on where in a batch a number lies: SIMD takes most of them, and plain instructions the rest.
    if (tf.getBackend() === 'tensorflow') together.forEach((value, i) => expect(value).toBeCloseTo(alone[i], 6));
    else expect(together).toEqual(alone);
  });

  test('clip keeps every x̂_0 within [−1, 1], and with it the images', async () => {
    const xT = tf.tensor4d([3, -3, 0.1, 1], [1, 2, 2, 1]);
    const ranges: number[] = [];
    const onStep = ({ xStart }: { xStart: tf.Tensor }) => void ranges.push(Math.max(...xStart.dataSync().map(Math.abs)));
    const before = tf.memory().numTensors;
    const x0 = await sample({ apply: (xt) => tf.mul(xt, -1) }, xT, { schedule, rng: new Random(1), clip: true, onStep });
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(Math.max(...ranges)).toBe(1);
    expect(Math.max(...x0.dataSync().map(Math.abs))).toBeLessThanOrEqual(1);
  });

  test('leaves nothing behind when the network fails, and says what is wrong with its output', async () => {
    const xT = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
    const before = tf.memory().numTensors;
    const wide: Network = { apply: (xt) => tf.concat([xt, xt], 3) };
    await expect(sample(wide, xT, { schedule, rng: new Random(1) })).rejects.toThrow(
      "sample: the network's output should have the shape of its input, [1, 2, 2, 1], not [1, 2, 2, 2]",
    );
    const failing = () => Promise.reject(new Error('out of memory'));
    await expect(sample(failing, xT, { schedule, rng: new Random(1) })).rejects.toThrow('out of memory');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('ddpm runs over the whole schedule', () => {
    expect(ddpm(schedule).timesteps).toEqual([4, 3, 2, 1, 0]);
  });
});
