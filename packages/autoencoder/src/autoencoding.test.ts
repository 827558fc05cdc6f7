import { prepareExecution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import type { Batch, Task } from '@ddpm/train';
import { adam, eagerGradients, learner, tensors, train } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderVq } from './index';
import { autoencoding, AutoencoderKl, AutoencoderTiny, klAutoencoding, vqAutoencoding } from './index';
import createNetwork from './index';

/** Images of two gray halves, which few numbers describe. */
const batch = (n: number, seed: number): Batch => {
  const rng = new Random(seed);
  const data = new Float32Array(n * 16);
  for (let i = 0; i < n; i++) {
    const [left, right] = [2 * rng.uniform() - 1, 2 * rng.uniform() - 1];
    for (let p = 0; p < 16; p++) data[16 * i + p] = p % 4 < 2 ? left : right;
  }
  return { image: { data, item: [4, 4, 1] }, label: { data: new Int32Array(n), item: [] } };
};
const small = { imageChannels: 1, blockOutChannels: [4, 4], normNumGroups: 2, latentChannels: 2 };
const vq = (numVqEmbeddings = 8) => createNetwork({ kind: 'vq', ...small, numVqEmbeddings }) as AutoencoderVq;
const tasks: Record<string, () => Task> = {
  tiny() {
    const sizes = { width: 4, numEncoderBlocks: [1, 1], numDecoderBlocks: [1, 1], pool: true };
    const autoencoder = new AutoencoderTiny({ imageChannels: 1, latentChannels: 2, ...sizes });
    return autoencoding({ autoencoder, parameters: namedParameters({ autoencoder }) });
  },
  kl() {
    const autoencoder = new AutoencoderKl(small);
    return klAutoencoding({ autoencoder, parameters: namedParameters({ autoencoder }), klWeight: 1e-3 });
  },
  vq() {
    const autoencoder = vq();
    return vqAutoencoding({ autoencoder, parameters: namedParameters({ autoencoder }) });
  },
  'vq by gradients': () => {
    const autoencoder = vq();
    const parameters = namedParameters({ autoencoder });
    return vqAutoencoding({ autoencoder, parameters, codebookDecay: 'gradient' });
  },
};
const valuesOf = ({ parameters }: Task) =>
  new Map([...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));

test.each(Object.keys(tasks))('%s: compiled, it has the losses and gradients that it has on the cpu', async (kind) => {
  const task = tasks[kind]();
  const inputs = task.draw(batch(3, 1), new Random(2));
  expect(Object.keys(inputs)).toEqual(kind === 'kl' ? ['image', 'noise'] : ['image']);
  const expected = await eagerGradients(task)(valuesOf(task), inputs);
  const execution = await prepareExecution('compiled');
  const gradients = await execution.gradients(task, inputs);
  const found = await gradients(valuesOf(task), inputs);
  const close = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    const scale = Math.max(1e-3, ...Array.from(b, Math.abs));
    Array.from(b).forEach((value, i) => expect(Math.abs(value - a[i])).toBeLessThan(1e-4 * scale));
  };
  expect([...found.losses.keys()].sort()).toEqual([...expected.losses.keys()].sort());
  for (const [name, values] of expected.losses) close(found.losses.get(name)!, values);
  for (const [name, values] of expected.gradients) close(found.gradients.get(name)!, values);
  // Every parameter matters.
  for (const [name, values] of expected.gradients)
    if (!/to_?[kK]\.bias/.test(name)) expect([name, values.some((value) => value !== 0)]).toEqual([name, true]);
  await gradients.dispose();
});

test('the KL term and the signal-to-noise ratio are what their formulas say', () => {
  const task = tasks.kl();
  const inputs = tensors(task.draw(batch(2, 3), new Random(1)));
  tf.tidy(() => {
    const { loss, reconstruction, psnr, kl } = task.loss(inputs);
    const [l, r, k] = [loss, reconstruction, kl].map((term) => term.dataSync());
    for (const i of [0, 1]) expect(l[i]).toBeCloseTo(r[i] + 1e-3 * k[i], 5);
    expect(psnr.shape).toEqual([2]);
  });
  // An autoencoder of one pixel whose posterior and image are known.
  const known = {
    factor: 1,
    latentChannels: 1,
    posterior: (x: tf.Tensor4D) => ({ mean: tf.mul(x, 0), logVariance: tf.onesLike(x) }),
    decode: (z: tf.Tensor4D) => tf.mul(z, 0),
  } as unknown as AutoencoderKl;
  const one = klAutoencoding({ autoencoder: known, parameters: new Map(), klWeight: 1 });
  tf.tidy(() => {
    const image = tf.fill([1, 1, 1, 1], 0.2);
    const { reconstruction, psnr, kl } = one.loss({ image, noise: image });
    expect(reconstruction.dataSync()[0]).toBeCloseTo(0.2);
    expect(psnr.dataSync()[0]).toBeCloseTo(20, 4); // 10 log₁₀(2² / 0.2²)
    expect(kl.dataSync()[0]).toBeCloseTo((Math.E - 2) / 2, 5);
  });
});

describe('a codebook', () => {
  const make = async (task: Task) => learner({ task, gradients: eagerGradients(task), optimizer: adam() });
  const examples = async function* (start: number) {
    for (let step = start; ; step++) yield await Promise.resolve(batch(6, 0));
  };
  const options = { examples, rate: 2e-2, seed: 1 };

  test('is the moving average of the latents nearest to each code; dead codes begin anew at latents of the batch', () => {
    const autoencoder = vq(3);
    const task = vqAutoencoding({ autoencoder, parameters: namedParameters({ autoencoder }), codebookDecay: 0.5 });
    const codes = () => [...autoencoder.quantize.embedding.weight.dataSync()];
    const observe = (indices: number[], latents: number[]) =>
      task.observe!(
        {},
        new Map(Object.entries({ indices, latents }).map(([name, values]) => [name, Float32Array.from(values)])),
        new Map(),
      );
    // At first all are dead, and become latents of the batch.
    observe([0, 0, 0], [1, 2, 1, 2, 1, 2]);
    expect(codes()).toEqual([1, 2, 1, 2, 1, 2]);
    // Even use is one of three; each code has 0.06 of it so far.
    observe([0, 1, 2], [3, 2, 5, 2, 1, 2]);
    [3, 5, 1].forEach((latent, i) => expect(codes()[2 * i]).toBeCloseTo((0.03 * 1 + 0.5 * latent) / 0.53, 5));
    const state = new Map([...task.state!()].map(([name, values]) => [name, values.slice()]));
    for (let i = 0; i < 8; i++) observe([0, 0, 1], [3, 2, 3, 2, 5, 2]);
    // The third has not been used: its use has halved eight times, until it was given a latent of the batch.
    const third = codes().slice(4);
    expect([
      [3, 2],
      [5, 2],
    ]).toContainEqual(third);
    task.restore!(state);
    expect(codes()[4]).toBeCloseTo((0.03 + 0.5) / 0.53, 5);
    expect([...task.buffers!().values()].map((values) => [...values])).toEqual([codes()]);
  });

  test('learns, and goes on from what was saved to the bit', async () => {
    const collect = async (task: Task, start: number, steps: number, from?: Awaited<ReturnType<typeof make>>) => {
      const learning = await make(task);
      if (from) await learning.restore(await from.save());
      const log = [];
      for await (const { loss, losses } of train({ ...options, learner: learning, start, steps }))
        log.push([loss, ...[...losses].map(([name, values]) => [name, values[0]])]);
      return { learning, log };
    };
    const whole = await collect(tasks.vq(), 0, 16);
    const losses = whole.log.map(([loss]) => loss as number);
    const mean = (part: number[]) => part.reduce((a, b) => a + b) / part.length;
    expect(mean(losses.slice(-5))).toBeLessThan(0.8 * mean(losses.slice(0, 5)));
    expect(whole.log[0].slice(1).map((entry) => (entry as [string, number])[0])).toEqual([
      ...['loss', 'reconstruction', 'psnr', 'commitment', 'codesUsed'],
    ]);
    const first = await collect(tasks.vq(), 0, 6);
    const second = await collect(tasks.vq(), 6, 16, first.learning);
    expect(second.log).toEqual(whole.log.slice(6));
    expect(await second.learning.save()).toEqual(await whole.learning.save());
    expect((await second.learning.save()).weights.has('autoencoder.quantize.embedding.weight')).toBe(true);
  });

  test('must be among the parameters', () => {
    expect(() => vqAutoencoding({ autoencoder: vq(), parameters: new Map() })).toThrow('the codebook is not among');
  });
});
