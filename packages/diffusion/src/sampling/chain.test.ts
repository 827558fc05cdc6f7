import { Random, sideBySide } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise, Sampler } from '../index';
import {
  ancestral,
  chain,
  clipped,
  ddim,
  denoiser,
  dpmSolver,
  dpmSolverSinglestep,
  eulerAncestral,
  guided,
  heun,
  lcm,
  pndm,
  sample,
  thresholded,
  trailing,
  uniPc,
  velocity,
} from '../index';

const schedule = cosineSchedule({ timesteps: 50 });
const levels = trailing(schedule, 6);
const weight = tf.tensor1d([0.5, 0.1, -0.4]);
/** Of two classes and none. */
const network = {
  conditions: ['label'],
  apply: (x: tf.Tensor4D, t: tf.Tensor1D, { label }: Readonly<Record<string, tf.Tensor>> = {}) =>
    tf.tanh<tf.Tensor4D>(
      tf.mul(
        tf.add(x, tf.reshape(tf.sin(t), [-1, 1, 1, 1])),
        tf.reshape(tf.gather(weight, label as tf.Tensor1D), [-1, 1, 1, 1]),
      ),
    ),
};
const condition = { label: tf.tensor1d([0, 1, 1], 'int32') };
const none = { label: tf.tensor1d([2, 2, 2], 'int32') };
const plain = denoiser(network, { parameterisation: velocity, condition });
const noise = () => sideBySide([0, 1, 2].map((i) => new Random([7, i])));
const xT = tf.tensor4d(noise().normals(24), [3, 2, 2, 2]);

const drawn = async (denoise: Denoise, sampler: Sampler) => {
  const whole = chain(denoise, sampler);
  const rng = noise();
  const ahead = Array.from({ length: whole.draws }, () => tf.tensor4d(rng.normals(24), [3, 2, 2, 2]));
  const before = tf.memory().numTensors;
  const inOne = whole(xT, ...ahead);
  expect(tf.memory().numTensors).toBe(before + 1);
  const stepwise = await sample(denoise, xT, { sampler, rng: noise() });
  expect([...inOne.dataSync()]).toEqual([...stepwise.dataSync()]);
  return whole.draws;
};

test.each<[string, Sampler, number]>([
  ['ancestral', ancestral(levels), 5],
  ['DDIM', ddim(levels), 0],
  ['DDIM, η = 1', ddim(levels, { eta: 1 }), 5],
  ['DPM-Solver++ 3M', dpmSolver(levels, { order: 3 }), 0],
  ['SDE-DPM-Solver++ 2M', dpmSolver(levels, { order: 2, eta: 1 }), 5],
  ['DPM-Solver++ 2S', dpmSolverSinglestep(levels), 0],
  ['UniPC', uniPc(levels), 0],
  ['PNDM', pndm(levels), 0],
  ['Heun', heun(levels), 0],
  ['Euler ancestral', eulerAncestral(levels), 5],
  ['LCM', lcm(levels), 5],
])('%s: the same images to the bit as step by step, of as many draws of noise', async (_, sampler, draws) => {
  expect(await drawn(clipped(plain), sampler)).toBe(draws);
});

test('with guidance too', async () => {
  const options = { condition, none, parameterisation: velocity };
  await drawn(clipped(guided(network, { ...options, scale: 3, interval: [0.3, 2] })), ddim(levels));
  await drawn(guided(network, { ...options, scale: 2, rescale: 0.7 }), ddim(levels));
});

test('says what cannot be in it, and how much noise it needs', () => {
  const cannot = 'chain: every part of denoise must be a function of tensors';
  expect(() => chain(thresholded(plain, { quantile: 0.9 }), ddim(levels))).toThrow(cannot);
  expect(() =>
    chain(
      denoiser((x) => Promise.resolve(tf.clone(x))),
      ddim(levels),
    ),
  ).toThrow(cannot);
  expect(() => chain(plain, ancestral(levels))(xT)).toThrow(
    'chain: needs a tensor of noise for each of 5 draws, got 0',
  );
});
