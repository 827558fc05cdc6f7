import { readFileSync } from 'node:fs';
import { compile, compileGradients } from '@ddpm/compile';
import { adam, pLosses, pSample, qSample } from '@ddpm/diffusion';
import { namedParameters, torchAxes } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import { loadTorchStateDict, Unet, unetTorchName } from '@ddpm/unet';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';

// The tutorial's U-Net and diffusion functions, run in float64 by PyTorch (the files are the unet package's), against the compiled engine.
const models = {
  convnext: { unet: { dim: 12, dimMults: [1, 2], channels: 1 }, schedule: linearSchedule({ timesteps: 20 }) },
  resnet: {
    unet: { dim: 16, dimMults: [1, 2], channels: 3, initDim: 16, useConvnext: false, resnetBlockGroups: 4 },
    schedule: cosineSchedule({ timesteps: 20 }),
  },
};
const cases = (['convnext', 'resnet'] as const).flatMap((kind) => (['fast', 'portable'] as const).map((path) => [kind, path] as const));

describe.each(cases)('the compiled U-Net with %s blocks, on the %s path', (kind, path) => {
  const { unet: options, schedule } = models[kind];
  const golden = readSafetensors(readFileSync(`../packages/unet/test/unet-${kind}.safetensors`)).tensors as unknown as Map<
    string,
    { shape: number[]; data: Float32Array }
  >;
  const unet = new Unet(options);
  const parameters = namedParameters(unet);
  const axes = torchAxes(unet);
  beforeAll(() => {
    loadTorchStateDict(unet, new Map([...golden].filter(([name]) => name.startsWith('param/')).map(([name, x]) => [name.slice(6), x])));
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
  const values = () => new Map([...parameters].map(([name, variable]) => [name, variable.dataSync().slice() as Float32Array]));
  const loss = (kindOfLoss: 'l1' | 'l2' | 'huber') => (x0: tf.Tensor4D, noise: tf.Tensor4D, t: tf.Tensor1D) =>
    pLosses(schedule, unet, x0, t, noise, { loss: kindOfLoss });
  const network = (x: tf.Tensor4D, t: tf.Tensor1D) => unet.apply(x, t);

  test('three losses, every gradient, and five steps of Adam', async () => {
    tf.engine().startScope();
    const examples = [take('x0'), take('noise'), take('t')];
    const arrays = examples.map((x) => x.dataSync() as Float32Array);
    for (const kindOfLoss of ['l1', 'l2', 'huber'] as const) {
      const compiled = await compileGradients(loss(kindOfLoss), parameters, examples, { path, microBatch: 1, workers: 2 });
      const { loss: value, gradients } = await compiled.run(values(), arrays);
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
        const optimizer = adam();
        for (let i = 0; i < 5; i++) {
          const batch = ['adam/x0', 'adam/noise', 'adam/t'].map((name) => take(name, i).dataSync() as Float32Array);
          const step = await compiled.run(current, batch);
          expect(Math.abs(step.loss / golden.get('adam/loss')!.data[i] - 1)).toBeLessThan(1e-4);
          optimizer.update(current, step.gradients, 1e-3);
        }
        const moved = [...current].map(([name, data]) => {
          const expected = stored(`adam/param/${unetTorchName(name)}`);
          return {
            name,
            error: norm(tf.sub(tf.transpose(tf.tensor(data, parameters.get(name)!.shape), axes.get(name)), expected)) / norm(expected),
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
    const xt = qSample(schedule, take('x0'), take('t'), take('noise'));
    const compiled = await compile(network, [xt, take('t')], { path });
    expect(relativeError(await compiled(xt, take('t')), take('prediction'))).toBeLessThan(1e-4);
    let x = take<tf.Tensor4D>('chain/x_T');
    for (let t = 19; t >= 0; t--) {
      const prediction = await compiled(x, tf.fill([x.shape[0]], t, 'int32'));
      x = pSample(schedule, { apply: () => prediction }, x, t, take('chain/z', t));
    }
    expect(relativeError(x, take('chain/x_0'))).toBeLessThan(1e-4);
    await compiled.dispose();
    tf.engine().endScope();
  });
});
