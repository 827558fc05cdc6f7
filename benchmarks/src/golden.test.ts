import { readFileSync } from 'node:fs';
import { compile, compileGradients } from '@ddpm/compile';
import {
  ancestral,
  denoiser,
  denoising,
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
import { namedParameters, torchAxes } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import type { Batch } from '@ddpm/train';
import { adam, tensors } from '@ddpm/train';
import { loadTorchStateDict, Unet, unetTorchName } from '@ddpm/unet';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';

// The tutorial's U-Net and diffusion functions, run in float64 by PyTorch (the files are the unet package's), against
// the compiled engine.
const models = {
  convnext: { unet: { dim: 12, dimMults: [1, 2], channels: 1 }, schedule: linearSchedule({ timesteps: 20 }) },
  resnet: {
    unet: { dim: 16, dimMults: [1, 2], channels: 3, initDim: 16, useConvnext: false, resnetBlockGroups: 4 },
    schedule: cosineSchedule({ timesteps: 20 }),
  },
};
const cases = (['convnext', 'resnet'] as const).flatMap((kind) =>
  (['fast', 'portable'] as const).map((path) => [kind, path] as const),
);

describe.each(cases)('the compiled U-Net with %s blocks, on the %s path', (kind, path) => {
  const { unet: options, schedule } = models[kind];
  const golden = readSafetensors(readFileSync(`../packages/unet/test/unet-${kind}.safetensors`))
    .tensors as unknown as Map<string, { shape: number[]; data: Float32Array }>;
  const unet = new Unet(options);
  const parameters = namedParameters(unet);
  const axes = torchAxes(unet);
  beforeAll(() => {
    loadTorchStateDict(
      unet,
      new Map([...golden].filter(([name]) => name.startsWith('param/')).map(([name, x]) => [name.slice(6), x])),
    );
  });

  function stored(name: string): tf.Tensor {
    const { shape, data } = golden.get(name)!;
    return tf.tensor(data, shape, (data as unknown) instanceof Int32Array ? 'int32' : 'float32');
  }
  /** The golden tensor, or its i-th part; images as NHWC. */
  function take<T extends tf.Tensor>(name: string, i?: number): T {
    const x = stored(name);
    const part = i === undefined ? x : tf.reshape(tf.slice(x, i, 1), x.shape.slice(1));
    return (part.rank === 4 ? tf.transpose(part, [0, 2, 3, 1]) : part) as T;
  }
  const relativeError = (actual: tf.Tensor, expected: tf.Tensor) =>
    tf.div(tf.max(tf.abs(tf.sub(actual, expected))), tf.max(tf.abs(expected))).dataSync()[0];
  const norm = (x: tf.Tensor) => tf.norm(x).dataSync()[0];
  const values = () =>
    new Map([...parameters].map(([name, variable]) => [name, variable.dataSync().slice() as Float32Array]));
  const levelsOf = (t: tf.Tensor) => stack([...t.dataSync()].map((each) => levelAt(schedule, each)));
  /** The inputs of the task's loss, of stored images, noise and t. */
  const batchOf = (prefix: string, i?: number): Batch => {
    const [x0, noise, t] = ['x0', 'noise', 't'].map((name) => take(prefix + name, i));
    const { signal, sigma, time } = levelsOf(t);
    const rows = (x: tf.Tensor, item: number[] = []) => ({ data: x.dataSync<'float32'>().slice(), item });
    const item = x0.shape.slice(1);
    const weight = rows(tf.onesLike(time));
    return {
      image: rows(x0, item),
      noise: rows(noise, item),
      signal: rows(signal),
      sigma: rows(sigma),
      time: rows(time),
      weight,
    };
  };

  test('three losses, every gradient, and five steps of Adam', async () => {
    tf.engine().startScope();
    const example = batchOf('');
    const inputs = Object.values(tensors(example));
    const arrays = (batch: Batch) => Object.values(batch).map(({ data }) => data);
    for (const [kindOfLoss, loss] of Object.entries({ l1, l2, huber })) {
      const task = denoising({ network: unet, parameters, levels: uniform(schedule), loss });
      const fn = (...values: tf.Tensor[]) =>
        task.loss(Object.fromEntries(Object.keys(example).map((name, i) => [name, values[i]])));
      const compiled = await compileGradients(fn, parameters, inputs, { path, microBatch: 1, workers: 2 });
      const { loss: value, gradients } = await compiled.run(values(), arrays(example));
      expect(Math.abs(value / golden.get(`loss/${kindOfLoss}`)!.data[0] - 1)).toBeLessThan(1e-5);
      if (kindOfLoss === 'huber') {
        const errors = [...parameters].map(([name, { shape }]) => ({
          name,
          error: relativeError(
            tf.transpose(tf.tensor(gradients.get(name)!, shape), axes.get(name)),
            stored(`grad_huber/${unetTorchName(name)}`),
          ),
        }));
        expect(errors.filter(({ error }) => !(error < 1e-4))).toEqual([]);

        const current = values();
        const optimizer = adam()(current);
        for (let i = 0; i < 5; i++) {
          const step = await compiled.run(current, arrays(batchOf('adam/', i)));
          expect(Math.abs(step.loss / golden.get('adam/loss')!.data[i] - 1)).toBeLessThan(1e-4);
          optimizer.update(current, step.gradients, 1e-3);
        }
        const moved = [...current].map(([name, data]) => {
          const expected = stored(`adam/param/${unetTorchName(name)}`);
          return {
            name,
            error:
              norm(tf.sub(tf.transpose(tf.tensor(data, parameters.get(name)!.shape), axes.get(name)), expected)) /
              norm(expected),
          };
        });
        expect(moved.filter(({ error }) => !(error < 1e-4))).toEqual([]);
      }
      await compiled.dispose();
    }
    tf.engine().endScope();
  });

  test('the prediction, and the whole chain of 20 steps', async () => {
    tf.engine().startScope();
    const [levels, x0, noise] = [levelsOf(take('t')), take<tf.Tensor4D>('x0'), take<tf.Tensor4D>('noise')];
    const xt = qSample(levels, x0, noise);
    const compiled = await compile((x: tf.Tensor4D, t: tf.Tensor1D) => unet.apply(x, t), [xt, levels.time], { path });
    expect(relativeError(await compiled(xt, levels.time), take('prediction'))).toBeLessThan(1e-4);
    let t = 19;
    const rng = { normals: () => take('chain/z', t--).dataSync<'float32'>() };
    const xT = take<tf.Tensor4D>('chain/x_T');
    const x = await sample(
      denoiser((...inputs) => compiled(inputs[0], inputs[1])),
      xT,
      { sampler: ancestral(trailing(schedule)), rng },
    );
    expect(relativeError(x, take('chain/x_0'))).toBeLessThan(1e-4);
    await compiled.dispose();
    tf.engine().endScope();
  });
});
