import { readFileSync } from 'node:fs';
import { sample } from '@ddpm/diffusion';
import { readSafetensors } from '@ddpm/safetensors';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { schedulerFromConfig } from '../index';

/**
 * Trajectories of diffusers 0.42.1's schedulers, `step` in a loop: x_T and x after every step (every fiftieth of a
 * thousand), [2, 3, 4] each, in the scheduler's own scale. The network is model(x, t) = 0.6x + 0.3 sin(2x + t/250), x as
 * `scale_model_input` gives it. `noise`, [1100, 2, 3, 4], is drawn row by row; the first times `init_noise_sigma` is x_T.
 */
const { tensors, metadata } = readSafetensors(readFileSync('test/schedulers.safetensors'));
interface Case {
  readonly cls: string;
  readonly steps: number;
  readonly step: { readonly eta?: number };
  readonly config: Record<string, unknown>;
}
const cases = Object.entries(metadata).map(([name, json]) => [name, JSON.parse(json) as Case] as const);
const refused = ['cm', 'ipndm'];

const size = 24;
const noise = tensors.get('noise')!.data as Float32Array;
const row = (index: number) => noise.slice(index * size, (index + 1) * size);
const batch = (values: Float32Array) => tf.tensor4d(values, [2, 3, 4, 1]);

const network = (x: tf.Tensor4D, t: tf.Tensor1D) =>
  tf.tidy(() => {
    const time = tf.reshape<tf.Rank.R4>(t, [-1, 1, 1, 1]);
    return tf.add<tf.Tensor4D>(tf.mul(x, 0.6), tf.mul(tf.sin(tf.add(tf.mul(x, 2), tf.div(time, 250))), 0.3));
  });

test.each(cases.filter(([name]) => !refused.includes(name)))('%s is diffusers’ trajectory', async (name, asked) => {
  const { cls, steps, step, config } = asked;
  const { sampler, initialScale, denoise } = schedulerFromConfig({ _class_name: cls, ...config }, { steps, ...step });
  const expected = tensors.get(name)!.data as Float32Array;
  const each = steps === 1000 ? 50 : 1;
  const tensorsBefore = tf.memory().numTensors;
  const seen: Float32Array[] = [];
  let draws = 0;
  const xT = tf.tidy(() => tf.mul<tf.Tensor4D>(batch(row(0)), initialScale));
  seen.push(xT.dataSync() as Float32Array);
  const x0 = await sample(denoise(network), xT, {
    sampler,
    rng: { normals: () => row(++draws) },
    onStep: ({ index, x }) => {
      if ((index + 1) % each === 0) seen.push(x.dataSync() as Float32Array);
    },
  });
  tf.dispose([xT, x0]);
  expect(tf.memory().numTensors).toBe(tensorsBefore);
  expect(seen).toHaveLength(expected.length / size);
  seen.forEach((values, i) => {
    const theirs = expected.subarray(i * size, (i + 1) * size);
    const scale = Math.max(...theirs.map(Math.abs));
    const difference = Math.max(...values.map((value, k) => Math.abs(value - theirs[k])));
    expect(difference / scale).toBeLessThan(5e-5);
  });
});

/** The ends of trajectories with other options, made in the same way. */
const more = JSON.parse(readFileSync('test/more-schedulers.json', 'utf8')) as {
  readonly config: Record<string, unknown>;
  readonly steps: number;
  readonly eta?: number;
  readonly last: number[];
}[];

test.each(more.map((one) => [JSON.stringify(one.config), one.steps, one] as const))(
  '%s in %i steps ends where diffusers’ does',
  async (_, steps, { config, eta, last }) => {
    const { sampler, initialScale, denoise } = schedulerFromConfig(config, { steps, eta });
    let draws = 0;
    const xT = tf.tidy(() => tf.mul<tf.Tensor4D>(batch(row(0)), initialScale));
    const x0 = await sample(denoise(network), xT, { sampler, rng: { normals: () => row(++draws) } });
    const scale = Math.max(...last.map(Math.abs));
    const difference = Math.max(...x0.dataSync().map((value, k) => Math.abs(value - last[k])));
    tf.dispose([xT, x0]);
    expect(difference / scale).toBeLessThan(5e-5);
  },
);

test.each(refused)('%s is refused by name', (name) => {
  const { cls } = JSON.parse(metadata[name]) as Case;
  expect(() => schedulerFromConfig({ _class_name: cls }, { steps: 4 })).toThrow(`got "${cls}"`);
});
