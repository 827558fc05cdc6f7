import { readFileSync } from 'node:fs';
import {
  ancestral,
  denoiser,
  denoising,
  epsilon,
  huber,
  l1,
  l2,
  levelAt,
  qSample,
  sample,
  stack,
  trailing,
  uniform,
} from '@ddpm/diffusion';
import { disposeParameters, namedParameters, torchAxes } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import type { Batch } from '@ddpm/train';
import { eagerGradients, learner, tensors } from '@ddpm/train';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { loadTorchStateDict, toTorchStateDict, Unet, unetOptionsFromTorch, unetTorchName } from './index';

// The tutorial's U-Net and diffusion functions, run in float64 by PyTorch; images are NCHW there.
const models = {
  convnext: { unet: { dim: 12, dimMults: [1, 2], channels: 1 }, schedule: linearSchedule({ timesteps: 20 }) },
  resnet: {
    unet: { dim: 16, dimMults: [1, 2], channels: 3, initDim: 16, useConvnext: false, resnetBlockGroups: 4 },
    schedule: cosineSchedule({ timesteps: 20 }),
  },
};

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);

describe.each(['convnext', 'resnet'] as const)('the tutorial’s U-Net with %s blocks', (kind) => {
  const { unet: options, schedule } = models[kind];
  const golden = readSafetensors(readFileSync(`test/unet-${kind}.safetensors`)).tensors as unknown as Map<
    string,
    { shape: number[]; data: Float32Array }
  >;
  const under = (prefix: string) =>
    new Map(
      [...golden]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  let before: number;
  let unet: Unet;

  beforeAll(() => {
    before = tf.memory().numTensors;
    unet = new Unet(options);
  });
  beforeEach(() => loadTorchStateDict(unet, under('param/')));
  afterAll(() => {
    disposeParameters(unet);
    expect(tf.memory().numTensors).toBe(before);
  });

  function stored(name: string): tf.Tensor {
    const { shape, data } = golden.get(name)!;
    return tf.tensor(data, shape, (data as unknown) instanceof Int32Array ? 'int32' : 'float32');
  }
  /** The golden tensor, or its i-th part; images as NHWC. */
  function take(name: string, i?: number): tf.Tensor {
    const x = stored(name);
    const part = i === undefined ? x : tf.reshape(tf.slice(x, i, 1), x.shape.slice(1));
    return part.rank === 4 ? tf.transpose(part, [0, 2, 3, 1]) : part;
  }
  const image = (name: string, i?: number) => take(name, i) as tf.Tensor4D;
  const times = (name: string, i?: number) => tf.cast(take(name, i), 'float32') as tf.Tensor1D;
  const levelsOf = (t: tf.Tensor1D) => stack([...t.dataSync()].map((each) => levelAt(schedule, each)));
  /** The inputs of the task's loss, of stored images, noise and t. */
  const batchOf = (prefix: string, i?: number): Batch =>
    tf.tidy(() => {
      const [x0, noise, t] = [image(`${prefix}x0`, i), image(`${prefix}noise`, i), times(`${prefix}t`, i)];
      const { signal, sigma } = levelsOf(t);
      const row = (x: tf.Tensor) => ({ data: x.dataSync<'float32'>().slice(), item: [] });
      const images = (x: tf.Tensor) => ({ data: x.dataSync<'float32'>().slice(), item: x.shape.slice(1) });
      return {
        image: images(x0),
        noise: images(noise),
        signal: row(signal),
        sigma: row(sigma),
        time: row(t),
        weight: row(tf.onesLike(t)),
      };
    });
  const taskWith = (loss: typeof l1) =>
    denoising({ network: unet, parameters: namedParameters(unet), levels: uniform(schedule), loss });
  const meanLoss = (loss: typeof l1) =>
    tf.tidy(() => tf.mean<tf.Scalar>(taskWith(loss).loss(tensors(batchOf(''))).loss));

  function relativeError(actual: tf.Tensor, expected: tf.Tensor): number {
    expect(actual.shape).toEqual(expected.shape);
    return tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(actual, expected))), tf.max(tf.abs(expected))).dataSync()[0]);
  }

  /** Runs within a tidy and asserts that the function itself left only its result. */
  function tidily(body: () => void) {
    const start = tf.memory().numTensors;
    tf.tidy(body);
    expect(tf.memory().numTensors).toBe(start);
  }
  function only<T extends tf.Tensor>(make: () => T): T {
    const start = tf.memory().numTensors;
    const result = make();
    expect(tf.memory().numTensors).toBe(start + 1);
    return result;
  }

  test('gives its weights back as they came, to the bit', async () => {
    const given = under('param/');
    const returned = await toTorchStateDict(unet);
    expect([...returned.keys()].sort()).toEqual([...given.keys()].sort());
    for (const [name, { shape, data }] of returned) {
      expect([name, shape]).toEqual([name, given.get(name)!.shape]);
      expect(Buffer.compare(bytes(data), bytes(given.get(name)!.data))).toBe(0);
    }
  });

  test('the options can be read from its state_dict', () => {
    const { resnetBlockGroups: _, ...known } = { resnetBlockGroups: 0, ...options };
    expect(unetOptionsFromTorch(under('param/'))).toMatchObject(known);
    expect(() => unetOptionsFromTorch(new Map())).toThrow('this is no state_dict of the tutorial');
  });

  test('q_sample and the prediction', () =>
    tidily(() => {
      const [x0, noise, t] = [image('x0'), image('noise'), times('t')];
      const levels = levelsOf(t);
      expect(
        relativeError(
          only(() => qSample(levels, x0, noise)),
          image('x_t'),
        ),
      ).toBeLessThan(1e-6);
      const xt = image('x_t');
      expect(
        relativeError(
          only(() => unet.apply(xt, t)),
          image('prediction'),
        ),
      ).toBeLessThan(1e-4);
    }));

  test.each(Object.entries({ l1, l2, huber }))('the %s loss', (name, loss) =>
    tidily(() => {
      expect(
        relativeError(
          tf.reshape(
            only(() => meanLoss(loss)),
            [1],
          ),
          take(`loss/${name}`),
        ),
      ).toBeLessThan(1e-5);
    }),
  );

  test('every gradient of the huber loss', () =>
    tidily(() => {
      const parameters = namedParameters(unet);
      const axes = torchAxes(unet);
      const { grads } = tf.variableGrads(() => meanLoss(huber), [...parameters.values()]);
      const errors = [...parameters].map(([path, variable]) => ({
        path,
        error: relativeError(
          tf.transpose(grads[variable.name], axes.get(path)),
          stored(`grad_huber/${unetTorchName(path)}`),
        ),
      }));
      expect(errors.filter(({ error }) => !(error < 1e-4))).toEqual([]);
    }));

  test('five steps of Adam', async () => {
    const parameters = namedParameters(unet);
    const task = taskWith(huber);
    const start = tf.memory().numTensors;
    const trained = await learner({ task, gradients: eagerGradients(task) });
    for (let i = 0; i < 5; i++) {
      const { loss } = await trained.step(batchOf('adam/', i), 1e-3);
      expect(Math.abs(loss / golden.get('adam/loss')!.data[i] - 1)).toBeLessThan(1e-4);
    }
    // In the L2 norm: Adam divides each element's gradient by its own size, so that one whose gradient is nearly zero
    // is decided by rounding.
    const axes = torchAxes(unet);
    const errors = [...(await trained.parameters())].map(([path, values]) =>
      tf.tidy(() => {
        const actual = tf.transpose(tf.tensor(values, parameters.get(path)!.shape), axes.get(path));
        const expected = stored(`adam/param/${unetTorchName(path)}`);
        return { path, error: tf.div(tf.norm(tf.sub(actual, expected)), tf.norm(expected)).dataSync()[0] };
      }),
    );
    expect(errors.filter(({ error }) => !(error < 1e-4))).toEqual([]);
    expect(tf.memory().numTensors).toBe(start);
  });

  test('the first step of the chain; multiplying by the noise where Algorithm 2 adds it would not pass', () =>
    tidily(() => {
      const [xT, z] = [image('chain/x_T'), image('chain/z', 19)];
      const level = levelAt(schedule, 19);
      const levels = stack(Array.from({ length: xT.shape[0] }, () => level));
      const { x0 } = epsilon.predict(levels, xT, unet.apply(xT, levels.time));
      const stepWith = (noise: tf.Tensor) =>
        ancestral(trailing(schedule)).step(0, [{ x: xT, x0, level }], { normals: () => noise.dataSync<'float32'>() });
      expect(relativeError(stepWith(z), image('chain/first_step'))).toBeLessThan(1e-4);
      const mean = stepWith(tf.zerosLike(z));
      const multiplied = tf.mul(tf.mul(mean, Math.sqrt(schedule.posteriorVariance[19])), z);
      expect(relativeError(multiplied as tf.Tensor4D, image('chain/first_step'))).toBeGreaterThan(0.1);
    }));

  test('the whole chain of 20 steps', async () => {
    const start = tf.memory().numTensors;
    let t = 19;
    // The chain's own noise, in the order in which it is drawn.
    const rng = { normals: () => tf.tidy(() => image('chain/z', t--).dataSync() as Float32Array) };
    const xT = tf.tidy(() => image('chain/x_T'));
    let steps = 0;
    const x0 = await sample(denoiser(unet), xT, {
      sampler: ancestral(trailing(schedule)),
      rng,
      onStep: () => void steps++,
    });
    tf.tidy(() => expect(relativeError(x0, image('chain/x_0'))).toBeLessThan(1e-4));
    expect(steps).toBe(20);
    tf.dispose([xT, x0]);
    expect(tf.memory().numTensors).toBe(start);
  });
});
