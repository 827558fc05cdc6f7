import type { Condition } from '@ddpm/diffusion';
import { ancestral, clipped, dpmSolver, guided, sample, trailing, velocity } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { Random, sideBySide } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { compileChain } from './index';

const levels = trailing(cosineSchedule({ timesteps: 50 }), 5);
const filter = tf.variable(tf.tensor4d(new Random(1).normals(36), [3, 3, 2, 2]));
const shift = tf.variable(tf.tensor2d([0.3, -0.2, 0.1, 0.4, 0, 0], [3, 2]));
/** Of two classes and none. */
const network = {
  conditions: ['label'],
  apply(x: tf.Tensor4D, t: tf.Tensor1D, { label }: Condition = {}) {
    const told = tf.add(tf.gather(shift, label as tf.Tensor1D), tf.reshape(tf.sin(t), [-1, 1]));
    return tf.tanh<tf.Tensor4D>(tf.add(tf.conv2d(x, filter, 1, 'same'), tf.reshape(told, [-1, 1, 1, 2])));
  },
};
const none = (n: number) => ({ label: tf.fill([n], 2, 'int32') });
const denoise = (condition: Condition) =>
  clipped(guided(network, { condition, none: none(condition.label.shape[0]), scale: 2, parameterisation: velocity }));
const label = { data: Int32Array.of(0, 1, 1, 0, 1), item: [] };
const condition = { label: tf.tensor1d(label.data, 'int32') };
const noise = () => sideBySide([0, 1, 2, 3, 4].map((i) => new Random([7, i])));

test.each([
  ['DPM-Solver++ 2M', dpmSolver(levels, { order: 2 })],
  ['ancestral', ancestral(levels)],
])('a compiled chain draws the images of sample, by the weights of the call: %s', async (_, sampler) => {
  const execution = await prepareExecution('compiled');
  const parameters = new Map<string, tf.Variable>([
    ['filter', filter],
    ['shift', shift],
  ]);
  const options = { denoise, sampler, image: [4, 4, 2], condition: { label } } as const;
  const [live, fixed] = [
    await compileChain(execution, { ...options, parameters }),
    await compileChain(execution, options),
  ];
  const xT = tf.tensor4d(noise().normals(160), [5, 4, 4, 2]);
  const far = async (of: typeof live) => {
    const expected = await sample(denoise(condition), xT, { sampler, rng: noise() });
    return tf.max(tf.abs(tf.sub(await of(xT, noise(), condition), expected))).dataSync()[0];
  };
  expect(await far(live)).toBeLessThan(1e-5);
  expect(await far(fixed)).toBeLessThan(1e-5);
  filter.assign(tf.mul(filter, 0.8));
  expect(await far(live)).toBeLessThan(1e-5);
  expect(await far(fixed)).toBeGreaterThan(1e-3);
  await Promise.all([live.dispose(), fixed.dispose()]);
});
